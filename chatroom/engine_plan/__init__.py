"""From what the roles want and the memory there is to a plan: who shares which engine, and what runs.

Read it in this order: sizes.py (bytes of a model), wishes.py (what a role wants), seating.py (who shares an engine),
costs.py (what an engine costs), fitting.py (what gives way), plan.py (the whole). All of it is pure but measure.py,
which reads the sizes from files; table.py shows a plan to people.
"""

from chatroom.engine_plan.plan import plan
from chatroom.engine_plan.planned import Plan, PlannedEngine, Row
from chatroom.engine_plan.sizes import Weights
from chatroom.engine_plan.wishes import Machine, Wish

__all__ = ["Machine", "Plan", "PlannedEngine", "Row", "Weights", "Wish", "plan"]
