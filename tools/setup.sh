#!/bin/sh
# Creates the virtual environment for make: checks Python first, pins everything, and prefers a
# CPU build of torch where no NVIDIA driver is found (the default build brings gigabytes of CUDA).
set -eu

fail() { printf '%s\n' "$1" >&2; exit 2; }

command -v "$PYTHON" >/dev/null 2>&1 ||
  fail "Python is not there: install python3 (3.11 or newer), or name it: make PYTHON=/path/to/python3"
"$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  fail "$("$PYTHON" --version 2>&1) is too old: Joulery needs 3.11 or newer (make PYTHON=python3.12)"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null ||
  fail "Python's venv is missing: sudo apt-get install $("$PYTHON" -c 'import sys; print(f"python3.{sys.version_info[1]}-venv")')"

# a half-made environment, or one whose Python is gone, is made anew
"$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$PYTHON" -m venv --clear "$VENV"
PIP="$VENV/bin/python -m pip --disable-pip-version-check -q"

torch=$(grep '^torch==' constraints.txt)
if ! "$VENV/bin/python" -c 'import torch' 2>/dev/null; then
  if [ -n "$TORCH_CPU_INDEX" ] && ! command -v nvidia-smi >/dev/null 2>&1; then
    echo "Installing $torch (CPU build: no NVIDIA driver here), about 200 MB ..."
    $PIP install --timeout 5 --retries 0 --index-url "$TORCH_CPU_INDEX" "$torch" 2>/dev/null ||
      { echo "PyTorch's CPU index did not answer; taking the default build."; $PIP install "$torch"; }
  else
    echo "Installing $torch ..."
    $PIP install "$torch"
  fi
fi
echo "Installing Joulery and its dependencies, a few minutes ..."
$PIP install -c constraints.txt -e '.[dev,demo]'
echo "Ready."
