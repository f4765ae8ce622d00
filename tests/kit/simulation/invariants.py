"""What must hold after every step, and what must hold once everything has come to rest."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from pydantic_core import from_json

from kit.diagram import transitions
from kit.simulation.audit import Entry
from kit.simulation.workflows import Ledger, resumes
from placet_contracts.cloudevents import CloudEvent, decode
from placet_contracts.digest import digest, review_digest
from placet_contracts.events import WorkflowStart
from placet_runtime.postgres import Pool

# As docs/architecture.md draws them, so that the page stays true. A status may also stay while what is told beside it
# changes: running, once that is announced; ready, when parked.
RUN_EDGES = transitions("a run") | {("ready", "ready"), ("running", "running")}
APPROVAL_EDGES = transitions("an approval")


@dataclass(slots=True)
class Started:
    """A start that was acknowledged to whoever asked for it."""

    run_id: str | None  # None: the executor makes one
    event_id: str | None  # of a message from outside
    workflow: str
    input: object

    def is_of(self, run: dict[str, Any]) -> bool:
        """Whether a run is what was asked for."""
        return (run["workflow"], _json(run["input"])) == (self.workflow, self.input)


@dataclass(slots=True)
class Invariants:
    """Follows the audit log, and remembers what was seen."""

    pool: Pool
    ledger: Ledger
    runs: dict[str, Entry] = field(default_factory=dict)
    approvals: dict[str, Entry] = field(default_factory=dict)
    gates: dict[tuple[str, str], Entry] = field(default_factory=dict)
    told: dict[str, tuple[str, str | None]] = field(default_factory=dict)  # what deciders heard of approvals
    started: list[Started] = field(default_factory=list)
    workflows: dict[str, str] = field(default_factory=dict)  # of runs
    _seen: int = 0
    _entered: int = 0

    async def check(self) -> None:
        """All that must hold at any time."""
        rows = await self.pool.fetch("SELECT * FROM audit.log WHERE n > $1 ORDER BY n", self._seen)
        entries = [Entry(**row) for row in rows]
        if unknown := {entry.run_id for entry in entries if entry.kind == "run"} - self.workflows.keys():
            names = await self.pool.fetch("SELECT id, workflow FROM executor.runs WHERE id = ANY ($1)", list(unknown))
            self.workflows |= {row["id"]: row["workflow"] for row in names}
        self._seen = max((entry.n for entry in entries), default=self._seen)
        for entry in entries:
            self.follow(entry)
        for _, same in groupby(sorted(entries, key=lambda entry: entry.tx), key=lambda entry: entry.tx):
            told_together(list(same))
        self._check_sections()

    def follow(self, entry: Entry) -> None:
        """Take in what the database has seen, in its order; raises where that cannot be."""
        if entry.kind == "run":
            self._follow_run(entry)
        elif entry.kind == "approval":
            before = self.approvals.get(entry.id)
            assert entry.was == (before and before.status), f"I3: {entry} after {before}"
            assert (entry.was, entry.status) in APPROVAL_EDGES, f"I14: {entry}"
            self.approvals[entry.id] = entry
        elif entry.kind == "gate":
            assert entry.gate is not None
            if entry.status != "open":
                assert entry.was == "open", f"I3: {entry}"
                decided = self.approvals.get(entry.id)
                assert decided is not None, f"I5: a gate was resolved that nobody was asked about: {entry}"
                assert decided.status == entry.status, f"I5: {entry}, but {decided}"
            self.gates[entry.run_id, entry.gate] = entry

    def _follow_run(self, entry: Entry) -> None:
        before = self.runs.get(entry.id)
        assert entry.was == (before and before.status), f"I14: {entry} after {before}"
        assert (entry.was, entry.status) in RUN_EDGES, f"I14: {entry}"
        assert entry.seq is not None
        assert entry.fence is not None
        seq, fence = (before.seq or 0, before.fence or 0) if before else (0, 0)
        claimed = entry.status == "running" != entry.was
        assert entry.fence == fence + claimed, f"I8: {entry} after {before}"
        assert entry.seq == seq + (not claimed or entry.was is None), f"I10: {entry} after {before}"
        if entry.was == "paused" and entry.status != "cancelled":
            assert entry.gate is not None
            gate = self.gates.get((entry.run_id, entry.gate))
            assert gate is not None, f"I5: {entry} without a gate"
            refused = gate.status in ("rejected", "expired")
            if entry.status in ("ready", "running"):
                resumed = refused and resumes(self.workflows[entry.run_id])
                assert gate.status == "approved" or resumed, f"I6: {entry}, but {gate}"
            else:
                final = refused and not resumes(self.workflows[entry.run_id])
                assert final, f"I14: {entry}, but {gate}"
        self.runs[entry.id] = entry

    def _check_sections(self) -> None:
        new, self._entered = self.ledger.entries[self._entered :], len(self.ledger.entries)
        for run_id, name, outcome in new:
            gate = self.gates.get((run_id, name))
            decided = gate and self.approvals.get(gate.id)
            found = decided and decided.status
            assert found == outcome, f"I5: {name} of {run_id} entered as {outcome}, but {decided}"
            resumed = outcome in ("rejected", "expired") and resumes(self.workflows[run_id])
            assert outcome == "approved" or resumed, f"I6: {name} of {run_id} entered as {outcome}"

    def tell(self, approval_id: str, status: str, by: str | None) -> None:
        """Somebody was told how an approval ended: everybody is told the same, for ever."""
        before = self.told.setdefault(approval_id, (status, by))
        assert before == (status, by), f"I4: approval {approval_id}: told {before}, then {(status, by)}"

    # --- at rest

    async def check_rest(self, notified: dict[str, set[str]], opened: set[str]) -> None:
        """All that must hold once every message is delivered and every pass is over."""
        runs = await self._rows("executor.runs", "id")
        shown = await self._rows("approval.runs", "id")
        approvals = await self._rows("approval.approvals", "id")
        gates = await self._rows("executor.gates", "approval_id")
        steps = await self.pool.fetch("SELECT run_id, name, result FROM executor.steps")
        refused = [
            decode(from_json(row["body"]))
            for row in await self.pool.fetch("SELECT body FROM executor.quarantine WHERE type = 'workflow.start.v1'")
        ]
        self._check_starts(runs, refused)
        self._check_progress(runs, gates, approvals)
        self._check_views(runs, shown, gates, approvals)
        await self._check_history(runs)
        self._check_effects(runs, [(row["run_id"], row["name"], row["result"]) for row in steps])
        for approval_id, (status, by) in self.told.items():
            row = approvals[approval_id]
            assert (row["status"], row["resolved_by"]) == (status, by), f"I4: told {status} by {by}, but {row}"
        for row in approvals.values():
            stillborn = row["resolved_at"] == row["opened_at"]
            assert not row["notified"] or stillborn or str(row["id"]) in opened, f"I12: nobody was told of {row}"
        for row in runs.values():
            told = len(notified.get(row["id"], ()))
            assert told <= 1, f"I12: {row['id']} told {told} times"
            assert told == 1 or (row["workflow"], row["status"]) != ("one", "completed"), (
                f"I12: {row['id']} told nobody"
            )

    async def snapshot(self) -> set[str]:
        """Everything that must not change when old messages come again."""
        tables = ("executor.runs", "executor.steps", "executor.notifications", "executor.gates", "approval.approvals")
        return {
            f"{table}: {row['row']}"
            for table in (*tables, "approval.runs", "approval.run_steps", "approval.run_retries")
            # Without what moves when the test has time pass.
            for row in await self.pool.fetch(f"SELECT (to_jsonb(t) - 'due_at')::text AS row FROM {table} t")
        }

    async def _rows(self, table: str, key: str) -> dict[str, dict[str, Any]]:
        return {str(row[key]): dict(row) for row in await self.pool.fetch(f"SELECT * FROM {table}")}

    def _check_starts(self, runs: dict[str, dict[str, Any]], refused: Sequence[CloudEvent[Any]]) -> None:
        by_event = {row["event_id"]: row for row in runs.values() if row["event_source"] == "shop"}
        for start in self.started:
            row = runs.get(start.run_id) if start.run_id else by_event.get(start.event_id or "")
            if row is not None and start.is_of(row):
                continue
            assert any(_is(event, start) for event in refused), f"I1: {start} has no run, and was not refused: {row}"
        for event in refused:
            data: WorkflowStart = event.data
            content = digest({"workflow": data.workflow, "version": data.version, "input": data.input})
            rivals = [row for row in (runs.get(data.run_id or ""), by_event.get(event.id)) if row is not None]
            assert any(row["start_digest"] != content or row["id"] != (data.run_id or row["id"]) for row in rivals), (
                f"I2: refused without a contradiction: {event}"
            )

    def _check_progress(
        self, runs: dict[str, dict[str, Any]], gates: dict[str, dict[str, Any]], approvals: dict[str, dict[str, Any]]
    ) -> None:
        open_gates = {(gate["run_id"], gate["gate"]): id for id, gate in gates.items() if gate["outcome"] is None}
        for row in runs.values():
            assert row["status"] != "running", f"I7: runs for ever: {row}"
            assert row["status"] != "ready" or row["parked"], f"I7: ready for ever: {row}"
            if row["status"] == "paused":
                approval = approvals.get(open_gates.get((row["id"], row["gate"]), ""))
                asked = approval and approval["status"]
                assert asked == "pending", f"I7: paused for ever: {row}, {approval}"
        for approval in approvals.values():
            run = runs[approval["run_id"]]
            waits = run["status"] == "paused" and run["gate"] == approval["gate"]
            assert approval["status"] != "pending" or waits, f"I7: nobody waits for {approval}: {run}"

    def _check_views(
        self,
        runs: dict[str, dict[str, Any]],
        shown: dict[str, dict[str, Any]],
        gates: dict[str, dict[str, Any]],
        approvals: dict[str, dict[str, Any]],
    ) -> None:
        assert runs.keys() <= shown.keys(), f"I10: not shown: {runs.keys() - shown.keys()}"
        for id, row in runs.items():
            facts = ("status", "seq", "workflow", "version", "gate", "parked", "requested_by")
            here, there = ([each[fact] for fact in facts] for each in (row, shown[id]))
            assert here == there, f"I10: run {id} is {here}, shown as {there}"
            for column in ("input", "output", "error"):
                here, there = (_json(each[column]) for each in (row, shown[id]))
                assert here == there, f"I10: {column} of run {id} is {here}, shown as {there}"
        for id, gate in gates.items():
            approval = approvals.get(id)
            assert approval is not None, f"I10: no approval for {gate}"
            asked = (gate["run_id"], gate["gate"], gate["digest"])
            assert asked == (approval["run_id"], approval["gate"], approval["digest"]), f"I5: {gate}, but {approval}"
            ended = runs[gate["run_id"]]["status"] == "cancelled" and gate["outcome"] is None
            outcome = gate["outcome"] or ("pending" if not ended else approval["status"])
            assert approval["status"] == outcome, f"I10: {gate}, but {approval}"
            reviewed = review_digest(
                input=_json(approval["input"]),
                context=_json(approval["context"]),
                **{key: approval[key] for key in ("run_id", "workflow", "version", "gate", "title", "message")},
            )
            assert approval["digest"] == reviewed, f"I5: not what was reviewed: {approval}"

    async def _check_history(self, runs: dict[str, dict[str, Any]]) -> None:
        steps = "SELECT run_id, name, attempt FROM {}.{} ORDER BY run_id, name"
        done, shown = [
            [tuple(row) for row in await self.pool.fetch(steps.format(*table))]
            for table in (("executor", "steps"), ("approval", "run_steps"))
        ]
        assert done == shown, f"I10: runs did {done}, shown are {shown}"
        retries: dict[str, list[int]] = defaultdict(list)
        for told in await self.pool.fetch("SELECT run_id, attempt FROM approval.run_retries ORDER BY attempt"):
            retries[told["run_id"]].append(told["attempt"])
        for id, row in runs.items():
            by_raising = row["status"] == "failed" and _json(row["error"])["type"] != "LeaseLost"
            raised = row["failures"] - (by_raising and row["failures"] > 0)  # the last is its end
            assert retries[id] == list(range(1, raised + 1)), f"I10: {row} was tried again, shown are {retries[id]}"

    def _check_effects(self, runs: dict[str, dict[str, Any]], steps: Iterable[tuple[str, str, str]]) -> None:
        recorded: dict[str, dict[str, object]] = defaultdict(dict)
        for run_id, name, result in steps:
            recorded[run_id][name] = from_json(result)
            assert self.ledger.effects[run_id, name] >= 1, f"{name} of {run_id} was stored, and never happened"
        for row in runs.values():
            if row["status"] == "completed" and isinstance(output := _json(row["output"]), dict):
                assert recorded[row["id"]] == output, f"{row['id']} used {output}, stored {recorded[row['id']]}"


def told_together(entries: Sequence[Entry]) -> None:
    """What changed in one transaction was told in it, and nothing else was (I10)."""
    # Of a pause the request tells. That a run was claimed is told where it was not heard of before, if at all.
    changed = {
        (e.id, e.seq, e.status)
        for e in entries
        if e.kind == "run" and e.status != "paused" and (e.status != "running" or e.was == "running")
    }
    paused = {(e.run_id, e.gate) for e in entries if e.kind == "run" and (e.was, e.status) == ("running", "paused")}
    resolved = {(e.id, e.status) for e in entries if e.kind == "approval" and e.status != "pending"}
    starts = {e.id for e in entries if e.kind == "start"}
    once = {(e.event or e.n): e for e in entries}.values()

    def told(kind: str) -> list[Entry]:
        return [e for e in once if e.kind == kind]

    for what, done, said in (
        (
            "runs",
            changed,
            [(e.id, e.seq, e.status) for e in told("run.changed.v1") if (e.status, e.seq) != ("running", 1)],
        ),
        ("pauses", paused, [(e.run_id, e.gate) for e in told("approval.requested.v1")]),
        ("gates", paused, [(e.run_id, e.gate) for e in told("gate") if e.status == "open"]),
        ("resolutions", resolved, [(e.id, e.status) for e in told("approval.resolved.v1")]),
        ("starts", starts, [e.id for e in told("workflow.start.v1")]),
    ):
        assert sorted(done, key=str) == sorted(said, key=str), f"I10: {what} {done}, told {said}: {entries}"


def _is(event: CloudEvent[Any], start: Started) -> bool:
    data = event.data
    asked = (data.run_id, data.workflow, data.input)
    return asked == (start.run_id, start.workflow, start.input) and start.event_id in (None, event.id)


def _json(text: str | None) -> Any:
    return None if text is None else from_json(text)
