"""A power limit of our own is on while we train, and on no other occasion."""

import pytest

from trainer.energy.cap import CapError, PowerCap
from trainer.energy.fake_nvml import GPU_IS_LOST, Board, Clock, FakeNvml, installed


@pytest.fixture
def boards():
    fake = FakeNvml(Clock(), [Board("GPU-1"), Board("GPU-2", limit_w=600.0)])
    with installed(fake):
        yield fake.boards


@pytest.fixture
def memo(tmp_path):
    return tmp_path / "power-limits.json"


def limits(boards):
    return [board.limit_w for board in boards]


def test_the_limit_is_ours_while_we_train_and_what_it_was_afterwards(boards, memo):
    with PowerCap(300.0, memo).held():
        assert limits(boards) == [300, 300]
    assert limits(boards) == [700, 600]
    assert not memo.exists()


def test_the_limit_is_put_back_when_training_fails(boards, memo):
    with pytest.raises(ZeroDivisionError), PowerCap(300.0, memo).held():
        1 / 0  # noqa: B018

    assert limits(boards) == [700, 600]


def test_what_a_killed_bot_left_is_put_back_by_the_next(boards, memo):
    held = PowerCap(300.0, memo).held()
    held.__enter__()  # and never leaves

    PowerCap(None, memo).restore()

    assert limits(boards) == [700, 600]
    assert not memo.exists()
    held.gen.close()


def test_a_board_that_is_gone_is_nobodys_concern(boards, memo):
    memo.write_text('{"GPU-1": 500000, "GPU-9": 1000}')

    PowerCap(None, memo).restore()

    assert limits(boards) == [500, 600]
    assert not memo.exists()


def test_what_could_not_be_put_back_is_not_forgotten(boards, memo):
    """A killed bot's limit, a start without rights, another with: the limits are the first ones."""
    held = PowerCap(300.0, memo).held()
    held.__enter__()  # and never leaves
    for board in boards:
        board.may_set_limit = False
    PowerCap(300.0, memo).restore()
    with pytest.raises(CapError):
        PowerCap(300.0, memo).check()
    with PowerCap(None, memo).held():  # the setting is gone, the limit is not
        pass
    assert limits(boards) == [300, 300]

    for board in boards:
        board.may_set_limit = True
    PowerCap(350.0, memo).check()

    assert limits(boards) == [700, 600]
    assert not memo.exists()
    held.gen.close()


def test_a_board_that_disappears_while_we_train_leaves_the_others_as_they_were(boards, memo):
    with PowerCap(300.0, memo).held():
        boards[0].fails_with = GPU_IS_LOST

    assert boards[1].limit_w == 600
    assert "GPU-1" in memo.read_text(), "it may come back"


def test_a_torn_memo_is_kept_and_said(boards, memo, caplog):
    memo.write_text("{")

    PowerCap(None, memo).restore()

    assert "power limits not put back" in caplog.text
    assert memo.exists()
    with pytest.raises(CapError, match="remove that file"):
        PowerCap(300.0, memo).check()
    with PowerCap(300.0, memo).held():
        assert limits(boards) == [700, 600]
    assert memo.read_text() == "{"


def test_without_a_limit_nothing_is_touched(memo):
    """Not even the driver: there is none."""
    with PowerCap(None, memo).held():
        pass
    PowerCap(None, memo).check()


def test_a_limit_the_board_does_not_take_is_refused_with_its_range(boards, memo):
    with pytest.raises(CapError, match="this board takes 200 to 700 W"):
        PowerCap(100.0, memo).check()
    assert limits(boards) == [700, 600]


def test_missing_rights_are_said_before_anything_is_trained(boards, memo):
    boards[1].may_set_limit = False

    with pytest.raises(CapError, match="run the bot as root"):
        PowerCap(300.0, memo).check()
    assert limits(boards) == [700, 600]
    assert not memo.exists()


def test_a_host_without_boards_is_told_to_unset_it(memo):
    with pytest.raises(CapError, match="no NVIDIA driver here: unset it"):
        PowerCap(300.0, memo).check()


def test_a_driver_without_boards_is_no_limit_that_holds(memo):
    with (
        installed(FakeNvml(Clock(), [])),
        pytest.raises(CapError, match="there is no board; unset it"),
    ):
        PowerCap(300.0, memo).check()
