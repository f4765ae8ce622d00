-- Each page of a list is found by an index, whatever it is asked for.
CREATE INDEX runs_by_status ON runs (status, created_at, id);
CREATE INDEX runs_by_workflow ON runs (workflow, created_at, id);
CREATE INDEX approvals_by_age ON approvals (opened_at, id);
CREATE INDEX approvals_by_workflow ON approvals (workflow, opened_at, id);
