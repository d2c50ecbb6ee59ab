"""Cards as the tests post them."""

from __future__ import annotations

from adapters.base import Button, Card, CardPart, Menu

QUESTION = Card(
    text="Is 'compression' right for TarFile.makedir?",
    title="Sample 1 of 8",
    parts=(
        CardPart(
            key="sample",
            text="TarFile.makedir: Make a directory called targetpath.",
            note="labelled 'compression'",
        ),
    ),
    buttons=(
        Button(id="yes", label="Relevant", emoji="up"),
        Button(id="no", label="Not relevant", emoji="down"),
        Button(id="skip", label="Skip"),
    ),
    seeds=("up", "down", "unsure"),
    tone="question",
    tally="nobody yet",
)

LEVELS = tuple(
    zip("012345", ("not at all", "hardly", "little", "some", "much", "most"), strict=True)
)

FEATURES = Card(
    text="What should decide?",
    title="What should decide about 'compression'?",
    bars=(("mentions an archive", 0.62, "62 %"), ("is short", 0.1, "")),
    menu=Menu(
        title="How much should each matter?",
        options=(("archive", "mentions an archive"), ("path", "mentions a path")),
        levels=LEVELS,
    ),
    tone="question",
)

NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NAMES = (
    "card_payment_fee_charged", "lost_card", "exchange rate", "C++", "pending", "a", "refunds",
    "transaction charged twice", "files", "verify identity and other documents once again",
)  # fmt: skip
WHICH = Card(
    text="Which of these? Where is my card?",
    title="Which of these?",
    parts=(CardPart(key="1", text="Where is my card?", note="Stands for 37 samples."),),
    buttons=(
        *(
            Button(id=f"#{number}", label=name, emoji=emoji)
            for number, (emoji, name) in enumerate(zip(NUMBERS, NAMES, strict=True), 1)
        ),
        Button(id="none", label="None of these", emoji="down"),
        Button(id="unsure", label="Can't tell", emoji="unsure"),
    ),
    seeds=(*NUMBERS, "down", "unsure"),
    footer="r1 · pool-1 · or reply with a name · closes by 12:00",
    tone="question",
)
PAIR = Card(
    text="Which answer is better?",
    title="Which answer is better?",
    parts=(
        CardPart(key="", title="Prompt", text="What is a port?"),
        CardPart(key="A", title="A", text="A door for packets."),
        CardPart(key="B", title="B", text="I am sorry."),
    ),
    buttons=tuple(
        Button(id=id_, label=label, emoji=emoji)
        for id_, label, emoji in (
            ("A", "A", "a"), ("B", "B", "b"), ("tie", "About the same", "same"),
            ("bad", "Bad pair", "bad"), ("unsure", "Can't tell", "unsure"),
        )
    ),
    seeds=("a", "b", "same", "bad", "unsure"),
    footer="r1 · pool-1 · closes by 12:00",
    tone="question",
)  # fmt: skip
WHICH_BLIND = WHICH.model_copy(update={"seeds": (), "is_blind": True})

SHEET = Card(
    text="Which of these are not “cat”? 10 pictures",
    title="Which of these are not “cat”?",
    buttons=(
        *(
            Button(id=f"{number}:no", label=str(number), emoji=emoji, part=str(number))
            for number, emoji in enumerate(NUMBERS, 1)
        ),
        Button(id="yes", label="All others fit", emoji="up"),
        Button(id="no", label="No other fits", emoji="down"),
        Button(id="unsure", label="Can't tell the others", emoji="unsure"),
        Button(id="bad", label="Bad card", emoji="bad"),
    ),
    menu=Menu(
        title="Each picture by itself",
        options=tuple((str(number), f"Picture {number}") for number in range(1, 11)),
        levels=(("no", "Does not fit"), ("yes", "Fits")),
    ),
    seeds=(*NUMBERS, "up", "down", "unsure", "bad"),
    footer="r1 · 1 pool-17, 2 pool-4 · or reply “3 7”, “all fit”, “none fit” · closes by 12:00",
    tone="question",
)
SHEET_BLIND = SHEET.model_copy(update={"seeds": (), "is_blind": True})

BLIND = QUESTION.model_copy(update={"tally": "", "is_blind": True})
CLOSED = QUESTION.model_copy(update={"is_closed": True, "tally": "2 relevant, 1 not"})
RUN = Card(
    text="docs-7 is training",
    title="docs-7",
    lines=("Segment 3 of 8, loss 0.62",),
    buttons=(Button(id="pause", label="Pause"),),
    tone="run",
)

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c63606060f80f0001040100e5c6a0d30000000049454e44ae426082"
)
