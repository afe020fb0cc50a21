"""A measurement as `smoecast bench` returns it."""

MACHINE = {
    "processor": "Abacus 3",
    "system": "Linux x86_64",
    "cores": 2,
    "threads": 1,
    "load": 0.5,
    "versions": {"smoecast": "1.0", "Python": "3.11.7"},
    "device": "cpu",
    "gpu": "",
    "dtype": "float32",
    "peers": {"curl": "8.0"},
}
WAYS = {
    "smoecast": {"median": 0.5},
    "smoecast, idle": {"median": 0.25},
    "curl": {"median": 1.0},
    "cdo": {"not_measured": "cdo is not installed"},
}
SPREAD = {"median": 0.5, "smallest": 0.4, "largest": 0.75, "memory": 2.0}
PAIRS = [
    {"ours": "smoecast", "peer": "curl", **SPREAD},
    {"ours": "smoecast", "peer": "cdo", "not_measured": "cdo is not installed"},
    {"ours": "smoecast, idle", "peer": "curl", **SPREAD, "memory": None},
]
SUMMARY = {
    "machine": MACHINE,
    "quick": False,
    "tasks": [{"case": "download", "task": "one file", "ways": WAYS, "pairs": PAIRS}],
}
