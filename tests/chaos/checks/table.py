"""Every invariant, with the check that can fail."""

from chaos.checks import decisions, effects, progress, starts, told
from chaos.checks.check import Check

CHECKS = (
    Check("I1", "a start that was acknowledged is never lost", "starts", starts.never_lost),
    Check("I2", "a repeated start starts one run, another one under its id is refused", "repeats", starts.one_run_each),
    Check("I3", "one resolution for an approval, and it is final", "resolutions, tampering", decisions.one_and_final),
    Check("I4", "deciding and reading are linearizable", "requests", decisions.linearizable_each),
    Check("I5", "a section is entered only behind its approval", "entries", effects.only_behind_approvals),
    Check("I6", "never behind a refusal", "refusals", effects.never_behind_refusals),
    Check("I7", "what is resolved moves on, and all ends", "resolved gates", progress.everything_rests),
    Check("I8", "a stale pass commits nothing", "lost leases", effects.fenced),
    Check("I9", "the broker holds no sole copy", "runs under way", progress.broker_is_no_sole_copy),
    Check("I10", "a change and what tells of it commit together", "transactions", told.with_the_change),
    Check("I11", "old messages are harmless", "messages again", told.repeats_are_harmless),
    Check("I12", "whoever is to be told is told", "deliveries", told.everybody_is_notified),
    Check("I13", "deciding needs no notifier", "decisions without one", decisions.without_a_notifier),
    Check("I14", "only legal transitions", "transitions", told.only_legal_transitions),
    Check("I15", "years and missing handlers are survived", "runs", progress.after_years),
    Check("I16", "deadlines are the database's", "approvals with one", decisions.by_the_database_s_clock),
    Check("I17", "the audit verifies, and tells of all transitions", "rows of the audit", told.audited),
    Check("I18", "no 2xx without a commit", "2xx", decisions.acknowledged_means_committed),
)
