"""What the fork server imports once, so that every child starts with it.

Must start no thread and touch no CUDA call: both would be inherited broken.
"""

import os
import signal
import threading

signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C at the terminal is the bot's business

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # its threads do not survive a fork
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # spinning threads burn joules at every barrier
os.environ.setdefault("GOMP_SPINCOUNT", "0")

from trainer.data.stdlib import docstrings

docstrings()  # half a second once, not once per segment; and before any library changes them

import peft  # noqa: F401
import torch  # noqa: F401
import transformers.models.bert.modeling_bert  # noqa: F401
from tqdm import tqdm

import trainer.loop
import trainer.tasks.text_classification  # noqa: F401

tqdm.set_lock(threading.RLock())  # else every child makes a semaphore, and leaves it behind
