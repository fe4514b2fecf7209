"""What a stand-in for the W&B server remembers, and its answers to the GraphQL operations of the client 0.31.

Runs belong to the entity that is named, else to "local". An operation that is not known answers nothing, and its name
is kept in `unknown`.
"""

import json
import threading
from collections import Counter
from itertools import count, product

import yaml

from tests.support import wandb_artifacts
from tests.support.wandb_artifacts import Answer, global_id, name_of

ENTITY = "local"
MOST_CHARACTERS = {"displayName": 128, "groupName": 128, "jobType": 64}  # of W&B's own server


class Refusal(Exception):
    """The server answers with this HTTP status and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Store:
    """All that was told, by the names that the client gave. Operations are methods of the same name in snake case."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.lock = threading.RLock()
        self.ids = count(1)
        self.runs: dict[str, Answer] = {}
        self.deleted: set[str] = set()  # names of runs that were deleted, which W&B never gives out again
        self.refusal: Refusal | None = None  # what every run is answered that is to be created or changed
        self.sweeps: dict[str, Answer] = {}
        self.agents: dict[str, str] = {}  # -> their sweep
        self.artifacts: dict[str, Answer] = {}
        self.files: dict[str, bytes] = {}  # what was uploaded, by the path of its address
        self.views: dict[str, Answer] = {}  # by id
        self.calls: Counter[str] = Counter()
        self.unknown: list[str] = []

    def answer(self, operation: str, query: str, variables: Answer) -> Answer:
        with self.lock:
            self.calls[operation] += 1
            if operation in SAME:
                return SAME[operation]
            if operation in OPERATIONS:
                return OPERATIONS[operation](self, variables.get("input") or variables)
            self.unknown.append(query)
            return {}

    # Runs ----------

    def upsert_bucket(self, given: Answer) -> Answer:
        name = given.get("name") or (name_of(given["id"]) if given.get("id") else f"r{next(self.ids)}")
        if self.refusal:
            raise self.refusal
        if name in self.deleted:
            raise Refusal(409, f"run {name} was previously created and deleted; try a new run name")
        for key, most in MOST_CHARACTERS.items():
            if len(given.get(key) or "") > most:
                raise Refusal(400, f"{key} exceeded maximum length of {most}")
        inserted = name not in self.runs
        place = given.get("project") or "uncategorized", given.get("entity") or ENTITY
        run = self.runs.setdefault(name, new_run(name, *place))
        for key in ("displayName", "groupName", "jobType", "state", "tags", "sweep"):
            if given.get(key):
                run[key] = given[key]
        run["config"] |= json.loads(given.get("config") or "{}")
        run["summary"] |= json.loads(given.get("summaryMetrics") or "{}")
        if inserted or run["state"] in ("failed", "crashed", "preempted", "finished"):
            run["state"] = "running"
        return {"upsertBucket": {"bucket": self.bucket(run), "inserted": inserted}}

    def run_resume_status(self, given: Answer) -> Answer:
        run = self.runs.get(given["name"])
        return {"model": {**self.project(given.get("project")), "bucket": run and self.bucket(run)}}

    def file_stream(self, name: str, sent: Answer) -> None:
        """Lines from an offset on: what was sent twice replaces itself, and a gap is an error of the client."""
        with self.lock:
            run = self.runs[name]
            for file, part in (sent.get("files") or {}).items():
                if file == "wandb-history.jsonl":
                    start = part["offset"]
                    assert start <= len(run["history"]), f"rows {len(run['history'])} to {start} of {name} are missing"
                    lines = [json.loads(line) for line in part["content"]]
                    run["history"][start : start + len(lines)] = lines
                elif file == "wandb-summary.json":
                    run["summary"] = json.loads(part["content"][-1])
                elif file == "wandb-events.jsonl":
                    run["events"] += len(part["content"])
            run["preempting"] = run["preempting"] or bool(sent.get("preempting"))
            if sent.get("complete"):
                run["exitcode"] = sent["exitcode"]
                lost = "preempted" if run["preempting"] else "failed"
                run["state"] = lost if sent["exitcode"] else "finished"

    def create_run_files(self, given: Answer) -> Answer:
        files = [{"name": name, "uploadUrl": f"{self.url}/files/{given['run']}/{name}"} for name in given["files"]]
        return {"createRunFiles": {"runID": given["run"], "uploadHeaders": [], "files": files}}

    def project(self, name: str | None, owner: str | None = None) -> Answer:
        name, owner = name or "uncategorized", owner or ENTITY
        about = {"id": global_id("Project", name), "internalId": "1", "name": name, "entityName": owner}
        return about | {"entity": {"id": global_id("Entity", owner), "name": owner}}

    def bucket(self, run: Answer) -> Answer:
        """A run as GraphQL gives it."""
        history = run["history"]
        node = {"id": global_id("Run", run["name"]), "projectId": "1", "internalId": "1"}
        node |= {"description": "", "notes": ""}
        node |= {key: run[key] for key in ("name", "tags", "jobType", "state")}
        node |= {"displayName": run["displayName"] or run["name"], "group": run["groupName"], "sweepName": run["sweep"]}
        node |= {"project": self.project(run["project"], run["entity"]), "user": {"name": ENTITY, "username": ENTITY}}
        node |= {"config": json.dumps(run["config"]), "summaryMetrics": json.dumps(run["summary"])}
        node |= {"systemMetrics": "{}", "wandbConfig": json.dumps({"t": 1} if history else {})}
        node |= {"historyLineCount": len(history), "eventsLineCount": run["events"], "logLineCount": 0}
        node |= {"historyTail": json.dumps([json.dumps(row) for row in history[-1:]]), "eventsTail": "[]"}
        node |= {"historyKeys": {"lastStep": history[-1]["_step"] if history else -1, "sets": [], "keys": {}}}
        node |= dict.fromkeys(("createdAt", "heartbeatAt", "updatedAt"), "2026-01-01T00:00:00")
        return node | {"readOnly": False, "stopped": False, "commit": None}

    # The public API ----------

    def project_run(self, given: Answer) -> Answer:
        run = self.runs.get(given["name"])
        if run and (given["entity"], given["project"]) != (run["entity"], run["project"]):
            run = None
        return {"project": {**self.project(given["project"]), "run": run and self.bucket(run)}}

    def project_runs(self, given: Answer) -> Answer:
        found = [run for run in self.runs.values() if run["project"] == given["project"]]
        edges = [{"node": self.bucket(run), "cursor": run["name"]} for run in found]
        page = {"endCursor": None, "hasNextPage": False}
        runs = {"totalCount": len(found), "edges": edges, "pageInfo": page}
        return {"project": {**self.project(given["project"]), "runCount": len(found), "runs": runs}}

    def history_page(self, given: Answer) -> Answer:
        rows = [
            row for row in self.runs[given["run"]]["history"] if given["minStep"] <= row["_step"] < given["maxStep"]
        ]
        return {"project": {"run": {"history": [json.dumps(row) for row in rows[: given["pageSize"]]]}}}

    # Sweeps ----------

    def upsert_sweep(self, given: Answer) -> Answer:
        name = f"sweep{next(self.ids):03d}"
        config = yaml.safe_load(given["config"])
        choices = [part.get("values", [part.get("value")]) for part in config["parameters"].values()]
        cells = [dict(zip(config["parameters"], cell, strict=True)) for cell in product(*choices)]
        project = given.get("projectName") or config.get("project") or "uncategorized"
        self.sweeps[name] = {"config": given["config"], "program": config.get("program"), "project": project}
        self.sweeps[name] |= {"waiting": cells, "given": []}
        sweep = {"name": name, "project": self.project(project, given.get("entityName"))}
        return {"upsertSweep": {"sweep": sweep, "configValidationWarnings": []}}

    def sweep(self, given: Answer) -> Answer:
        name = given.get("sweep") or given.get("name") or ""
        if name not in self.sweeps:
            return {"project": {**self.project(given["project"], given.get("entity")), "sweep": None}}
        sweep = self.sweeps[name]
        about = {"id": global_id("Sweep", name), "name": name, "method": "grid", "description": ""}
        about["state"] = "RUNNING" if self.to_give(sweep) else "FINISHED"
        about |= {"config": sweep["config"], "createdAt": "2026-01-01T00:00:00", "heartbeatAt": None, "updatedAt": None}
        about |= {"earlyStopJobRunning": False, "controller": "{}", "scheduler": "{}", "displayName": None}
        about |= {"priorRuns": None, "runCount": 0, "runCountExpected": None, "bestLoss": None, "runs": {"edges": []}}
        return {"project": {**self.project(sweep["project"]), "sweep": about}}

    def to_give(self, sweep: Answer) -> list[tuple[str, Answer]]:
        """(run, cell): first those that were preempted, under the names that they had."""
        lost = [(run, cell) for run, cell in sweep["given"] if self.runs.get(run, {}).get("state") == "preempted"]
        return lost + [(f"cell{next(self.ids)}", cell) for cell in sweep["waiting"]]

    def create_agent(self, given: Answer) -> Answer:
        name = f"agent{next(self.ids)}"
        self.agents[name] = given["sweep"]
        return {"createAgent": {"agent": {"id": name}}}

    def heartbeat(self, given: Answer) -> Answer:
        """One cell at a time for each agent, and the end when none is left."""
        sweep = self.sweeps[self.agents[given["id"]]]
        busy = any(state is True for state in json.loads(given.get("runState") or "{}").values())
        commands: list[Answer] = []
        if not busy and not self.to_give(sweep):
            commands = [{"type": "exit"}]
        elif not busy:
            run, cell = self.to_give(sweep)[0]
            if cell in sweep["waiting"]:
                sweep["waiting"].remove(cell)
                sweep["given"].append((run, cell))
            else:
                self.runs[run]["state"], self.runs[run]["preempting"] = "running", False
            arguments = {key: {"value": value} for key, value in cell.items()}
            commands = [{"type": "run", "run_id": run, "program": sweep["program"], "args": arguments}]
        return {"agentHeartbeat": {"agent": {"id": given["id"]}, "commands": json.dumps(commands)}}

    def upsert_view(self, given: Answer) -> Answer:
        """In the place of the view of this id, or a new one: a name alone is not known again."""
        view = given.get("id") or global_id("View", f"{given['name']} {len(self.views)}")
        inserted = view not in self.views
        self.views[view] = given
        return {"upsertView": {"view": {"id": view, "name": given["name"]}, "inserted": inserted}}

    def project_views(self, given: Answer) -> Answer:
        found = [
            {"node": {"id": view, "displayName": saved["displayName"], "spec": saved["spec"]}}
            for view, saved in self.views.items()
            if (saved["entityName"], saved["projectName"], saved["name"])
            == (given["entityName"], given["name"], given["viewName"])
        ]
        return {"project": {"allViews": {"edges": found}}}

    # Who and what we are ----------

    def viewer(self, given: Answer) -> Answer:
        teams = {"edges": [{"node": {"id": "t", "name": ENTITY}}]}
        me = dict.fromkeys(("entity", "username", "name"), ENTITY) | {"id": global_id("User", "1")}
        me["email"] = "x@example.com"
        return {"viewer": {**me, "flags": "{}", "admin": False, "apiKeys": {"edges": []}, "teams": teams}}


def new_run(name: str, project: str, entity: str) -> Answer:
    run: Answer = {"name": name, "project": project, "entity": entity}
    run |= {"state": "running", "config": {}, "summary": {}, "history": []}
    run |= {"displayName": None, "groupName": None, "jobType": None, "tags": [], "sweep": None, "events": 0}
    return run | {"exitcode": None, "preempting": False}


#: What is always answered alike. None is exported to Parquet here: all rows are to be asked for by the page.
SAME: dict[str, Answer] = {
    "RunStoppedStatus": {"project": {"run": {"stopped": False}}},
    "OrganizationCoreWeaveOrganizationID": {"entity": {"organization": None}},
    "ArtifactType": {"project": {"artifact": None}},
    "ServerFeaturesQuery": {"serverInfo": {"features": []}},
    "ServerInfo": {"serverInfo": {"cliVersionInfo": "{}", "latestLocalVersionInfo": None}},
    "RunParquetHistory": {"project": {"run": {"parquetHistory": {"liveData": [], "parquetUrls": []}}}},
}
OPERATIONS = {
    "UpsertBucket": Store.upsert_bucket,
    "RunResumeStatus": Store.run_resume_status,
    "CreateRunFiles": Store.create_run_files,
    "CreateArtifact": wandb_artifacts.create,
    "CreateArtifactManifest": wandb_artifacts.create_manifest,
    "CreateArtifactFiles": wandb_artifacts.create_files,
    "CommitArtifact": wandb_artifacts.commit,
    "RunOutputArtifacts": wandb_artifacts.of_run,
    "UpsertSweep": Store.upsert_sweep,
    "Sweep": Store.sweep,
    "SweepWithRuns": Store.sweep,
    "GetSweep": Store.sweep,
    "CreateAgent": Store.create_agent,
    "Heartbeat": Store.heartbeat,
    "UpsertView2": Store.upsert_view,
    "View": Store.project_views,
    "Viewer": Store.viewer,
    "GetDefaultEntity": Store.viewer,
    "Run": Store.project_run,
    "Runs": Store.project_runs,
    "RunHistoryKeys": Store.project_run,
    "HistoryPage": Store.history_page,
}
