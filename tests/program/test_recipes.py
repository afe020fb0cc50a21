"""The recipes of docs/operations.md, taken out of it and run as far as goes without schedulers."""

import configparser
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import arrivals
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMMAND, FOLDER = "/opt/smoecast/bin/smoecast", "/var/lib/smoecast"
CRON = {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh", "LOGNAME": "smoecast"}
"""All that cron gives a job, beside HOME."""

LAUNCHER = """#!{python}
import sys
sys.path.insert(0, {root!r})
from smoecast.cli.entry import main
main()
"""


def recipe(language: str, word: str, page: str = "operations") -> str:
    """Return the block of a language that has a word in it."""
    text = (ROOT / f"docs/{page}.md").read_text()
    blocks = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    found = [block for block in blocks if word in block]
    assert len(found) == 1, f"{len(found)} blocks of {language} with {word}"
    return found[0]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with ``ops.yaml``, five analyses and an ensemble, and ``bin/smoecast``."""
    arrivals.prepare(tmp_path)
    (tmp_path / "run.yaml").rename(tmp_path / "ops.yaml")
    arrivals.bring_analyses(tmp_path, *range(5))
    arrivals.bring_ensembles(tmp_path, 0)
    command = tmp_path / "bin/smoecast"
    command.parent.mkdir()
    command.write_text(LAUNCHER.format(python=sys.executable, root=str(ROOT)))
    command.chmod(0o755)
    return tmp_path


def here(text: str, place: Path) -> str:
    """Return a recipe with the places of a test; the world of the tests is of 2001."""
    text = text.replace(COMMAND, str(place / "bin/smoecast")).replace(FOLDER, str(place))
    return text.replace("--wait 2h --max-age 12h", "--max-age 36000d")


def run(command: list[str], place: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Call a command with the environment that cron gives, and no other."""
    environment = {**CRON, "HOME": str(place), **more}
    return subprocess.run(
        command, env=environment, cwd="/", capture_output=True, text=True, check=False, timeout=300
    )


def cron_lines() -> list[str]:
    lines = recipe("cron", "smoecast").splitlines()
    return [line for line in lines if line and not re.match(r"#|[A-Z_]+=", line)]


def test_the_line_of_cron(place: Path) -> None:
    (line,) = cron_lines()
    *when, command = line.split(maxsplit=5)
    assert all(re.fullmatch(r"[\d*/,-]+", field) for field in when)
    assert "%" not in command  # a line break to cron
    done = run(["/bin/sh", "-c", here(command, place)], place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")  # so no mail
    assert len(list((place / "runs/ops").glob("forecast_*.nc"))) == 4
    (place / "analyses/2001010206.nc").write_bytes(b"CDF\x01broken")
    done = run(["/bin/sh", "-c", here(command, place)], place)
    assert done.returncode == 1
    assert "2001010206.nc" in done.stdout
    assert done.stdout.count("\n") == 1


def stand_in(place: Path, script: str, name: str = "smoecast") -> None:
    """Have a script stand for a command."""
    path = place / "bin" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(("code", "mailed"), [(0, False), (4, False), (75, False), (5, True)])
def test_what_cron_mails(tmp_path: Path, code: int, mailed: bool) -> None:
    """A command that ends in any way stands for ours."""
    (line,) = cron_lines()
    stand_in(tmp_path, f"echo said >&2\nexit {code}")
    done = run(["/bin/sh", "-c", here(line.split(maxsplit=5)[5], tmp_path)], tmp_path)
    assert (done.stdout, done.stderr) == ("said\n" if mailed else "", "")
    assert done.returncode == int(mailed)


ANALYZE = shutil.which("systemd-analyze") or ""


def units(place: Path) -> tuple[Path, Path]:
    """Write the units for a place."""
    paths = place / "smoecast.service", place / "smoecast.timer"
    for path, word in zip(paths, ("[Service]", "[Timer]"), strict=True):
        path.write_text(here(recipe("ini", word), place))
    return paths


def test_what_the_units_say(tmp_path: Path) -> None:
    service, timer = (path.read_text() for path in units(tmp_path))
    assert re.findall(r"(?m)^SuccessExitStatus=(.*)$", service) == ["4 75"]
    assert re.findall(r"(?m)^OnCalendar=(.*)$", timer) == ["*-*-* 00/6:20:00 UTC"]
    if not ANALYZE:  # else it says more than this
        for text in (service, timer):
            configparser.ConfigParser(interpolation=None, strict=True).read_string(text)


@pytest.mark.slow
def test_the_command_of_systemd(place: Path) -> None:
    service = units(place)[0].read_text()
    (command,) = re.findall(r"(?m)^ExecStart=(.*)$", service)
    (folder,) = re.findall(r"(?m)^WorkingDirectory=(.*)$", service)
    done = run(["/bin/sh", "-c", f"cd {folder} && exec {command}"], place)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "smoecast" in (place / "cycle.prom").read_text()


@pytest.mark.skipif(not ANALYZE, reason="systemd-analyze is not on this machine")
def test_what_systemd_says_of_the_units(tmp_path: Path) -> None:
    stand_in(tmp_path, "exit 0")
    place, (service, timer) = tmp_path, units(tmp_path)
    done = run([ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(service)], place)
    assert (done.returncode, done.stderr) == (0, "")
    done = run([ANALYZE, "verify", "--man=no", "--recursive-errors=no", str(timer)], place)
    assert (done.returncode, done.stderr) == (0, "")
    calendar = re.findall(r"(?m)^OnCalendar=(.*)$", timer.read_text())[0]
    assert run([ANALYZE, "calendar", calendar], place).returncode == 0
    # of 100, where 0 is a service that can do nothing
    done = run(
        [ANALYZE, "security", "--offline=true", "--threshold=20", "--no-pager", str(service)], place
    )
    assert done.returncode == 0, done.stdout


def submit(place: Path, script: str, task: int) -> subprocess.CompletedProcess[str]:
    """Run a task of the array on this machine."""
    stand_in(place, 'exec "$@"', "srun")
    (place / "job.sh").write_text(here(script, place))
    more = {"PATH": f"{place}/bin:{CRON['PATH']}", "SLURM_ARRAY_TASK_ID": str(task)}
    return run(["/bin/bash", str(place / "job.sh")], place, **more, SLURM_CPUS_PER_TASK="1")


def test_the_tasks_of_slurm_cover_all_starts_once(tmp_path: Path) -> None:
    script = recipe("bash", "#SBATCH")
    assert script.startswith("#!/bin/bash\n#SBATCH")
    last = int(re.findall(r"--array=0-(\d+)%", script)[0])
    stand_in(tmp_path, 'while [ "$1" != -t ]; do shift; done; echo "$2"')
    spans = []
    for task in (0, 1, last):
        done = submit(tmp_path, script, task)
        assert (done.returncode, done.stderr) == (0, "")
        spans.append(done.stdout.strip())
    assert spans[:2] == ["2024-01-01T00/2024-01-10T18", "2024-01-11T00/2024-01-20T18"]
    assert spans[-1].startswith("2024-12-26")  # the last of the year


@pytest.mark.slow
def test_the_job_of_slurm(place: Path) -> None:
    script = recipe("bash", "#SBATCH").replace("FIRST=2024-01-01", "FIRST=2001-01-01")
    arrivals.bring_analyses(place, 5, 6, 7)
    done = submit(place, script.replace("DAYS=10", "DAYS=1"), 1)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in sorted((place / "hindcast").glob("*.nc"))] == [
        f"fc_20010102{hour:02d}.nc" for hour in (0, 6, 12, 18)
    ]


def start_nodes(place: Path, torchrun: str) -> subprocess.Popen[str]:
    """Start the job of several nodes with stand-ins: this machine is the first of three."""
    stand_in(place, 'while [ "$1" != torchrun ]; do shift; done; exec "$@"', "srun")
    stand_in(place, torchrun, "torchrun")
    show = f'if [ "$1" = show ]; then printf "n7\\nn8\\nn9\\n"; else echo "$@" > {place}/said; fi'
    stand_in(place, show, "scontrol")
    (place / "nodes.sh").write_text(here(recipe("bash", "--nodes", "training"), place))
    variables = {
        "JOB_ID": "41",
        "JOB_NODELIST": "n[7-9]",
        "JOB_NUM_NODES": "3",
        "GPUS_ON_NODE": "8",
    }
    slurm = {f"SLURM_{name}": value for name, value in variables.items()}
    return subprocess.Popen(
        ["/bin/bash", str(place / "nodes.sh")],
        env={"PATH": f"{place}/bin:{CRON['PATH']}", **slurm, "SLURM_CPUS_PER_TASK": "64"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("code", [0, 5])
def test_the_job_of_several_nodes(tmp_path: Path, code: int) -> None:
    with start_nodes(tmp_path, f'echo "$OMP_NUM_THREADS $@"; exit {code}') as job:
        said = job.communicate(timeout=60)[0]
    assert job.returncode == code
    threads, *words = said.split()
    options = dict(zip(words[0:12:2], words[1:12:2], strict=True))
    assert threads == "8"
    assert options == {
        "--nnodes": "3",
        "--nproc-per-node": "8",
        "--rdzv-id": "41",
        "--rdzv-backend": "c10d",
        "--rdzv-endpoint": "n7:29500",
        "--max-restarts": "0",
    }
    assert words[12:] == [str(tmp_path / "bin/smoecast"), "train", "-q", "-c", "run.yaml"]
    assert not (tmp_path / "said").exists()


def test_a_job_of_several_nodes_whose_time_is_up_is_queued_again(tmp_path: Path) -> None:
    waits = "trap 'echo saved; exit 1' TERM; echo ready; while :; do sleep 0.05; done"
    with start_nodes(tmp_path, waits) as job:
        assert job.stdout is not None
        assert job.stdout.readline() == "ready\n"
        job.send_signal(signal.SIGUSR1)
        assert job.communicate(timeout=60)[0] == "saved\n"
    assert job.returncode == 0
    assert (tmp_path / "said").read_text() == "requeue 41\n"


def test_the_job_of_kubernetes() -> None:
    job = yaml.safe_load(recipe("yaml", "kind: CronJob"))
    spec = job["spec"]
    assert (job["apiVersion"], spec["concurrencyPolicy"]) == ("batch/v1", "Forbid")
    job_spec = spec["jobTemplate"]["spec"]
    rules = job_spec["podFailurePolicy"]["rules"]
    codes = {r["action"]: r["onExitCodes"]["values"] for r in rules if "onExitCodes" in r}
    assert codes == {"Ignore": [4, 75], "FailJob": [2, 3, 6]}
    pod = job_spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # which podFailurePolicy wants
    (container,) = pod["containers"]
    assert {r["onExitCodes"]["containerName"] for r in rules if "onExitCodes" in r} == {
        container["name"]
    }
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    assert container["workingDir"] == FOLDER


@pytest.mark.slow
def test_the_command_of_kubernetes(place: Path) -> None:
    job = yaml.safe_load(recipe("yaml", "kind: CronJob"))
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    arguments = here(" ".join(container["args"]), place)
    command = f"cd {place} && exec {place}/bin/smoecast {arguments} --json"
    done = run(["/bin/sh", "-c", command], place)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"made": 4' in done.stdout
