"""What a host measures and what it guesses, said in words."""

from tests.trainer.energy.zones import zone
from trainer.energy.fake_nvml import Board, Clock, FakeNvml, installed
from trainer.energy.probe import NOT_COVERED, probe
from trainer.energy.sources import DeviceSource


def test_this_host_is_probed_without_a_fake():
    found = probe(watts_per_core=7.5)

    assert found.lines
    assert all(s.read() is not None for s in found.sources if not isinstance(s, DeviceSource))


def test_without_a_counter_the_cpu_is_estimated(tmp_path):
    found = probe(powercap=tmp_path)

    assert found.watts_per_core == 4
    assert [s.name for s in found.sources if s.device == "cpu"] == [
        "cpu-time-training",
        "cpu-time-bot",
    ]
    assert "CPU: estimated, CPU time x 4 W per core (assumed)" in found.lines
    assert f"not covered: {NOT_COVERED}" == found.lines[-1]
    set_ = probe(watts_per_core=7.5, powercap=tmp_path)
    assert "CPU: estimated, CPU time x 7.5 W per core (set)" in set_.lines


def test_where_the_cpu_has_a_counter_nothing_is_estimated_on_top(tmp_path):
    zone(tmp_path, "0", "package-0", 5_000_000)

    found = probe(watts_per_core=7.5, powercap=tmp_path)

    assert found.watts_per_core is None
    assert [s.name for s in found.sources if s.device.startswith("cpu")] == ["rapl"]
    assert not any("CPU time x" in line for line in found.lines)
    assert any("the bot's own share" in line for line in found.lines)


def test_a_module_whose_counter_holds_the_cpu_leaves_nothing_to_estimate(tmp_path):
    clock = Clock()
    with installed(FakeNvml(clock, [Board("GPU-1", name="NVIDIA GH200 480GB")])):
        found = probe(powercap=tmp_path, clock=clock)

    assert [s.name for s in found.sources] == ["nvml-counter", "ram-training"]
    assert found.watts_per_core is None
    assert any("which holds CPU and GPU" in line for line in found.lines)


def test_a_module_whose_counter_is_on_no_run_leaves_the_cpu_to_be_estimated(tmp_path):
    clock, name = Clock(), "NVIDIA GH200 480GB"
    with installed(FakeNvml(clock, [Board("GPU-1", name=name, is_sliced=True)])):
        found = probe(powercap=tmp_path, clock=clock)

    assert found.watts_per_core == 4
    assert found.findings[0].state == "not metered"


def test_a_host_with_everything_measures_most_of_it(tmp_path):
    zone(tmp_path, "0", "package-0", 5_000_000)
    clock = Clock()
    with installed(FakeNvml(clock, [Board("GPU-1"), Board("GPU-2", has_counter=False)])):
        found = probe(powercap=tmp_path, clock=clock)

    assert [(s.name, s.device) for s in found.sources] == [
        ("nvml-counter", "GPU-1"),
        ("nvml-power", "GPU-2"),
        ("rapl", "cpu-package-0"),
        ("ram-training", "ram"),
    ]
    assert [f.provenance for f in found.findings] == ["M-ctr", "M-pow", "M-rapl", "E-const"]


def test_the_lines_say_nothing_of_a_counter_that_is_not_there(tmp_path):
    assert not any("RAPL" in line for line in probe(powercap=tmp_path).lines)
