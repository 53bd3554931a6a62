"""Which engine answers for a role: the plan of chatroom/engine_plan, carried out within the memory there is.

Read it in this order: company.py (who may speak), measured.py (with what), placing.py (a plan → a place for each role),
order.py (a place → what is started), stock.py (memory, and who is stopped), starting.py (waits and starts), lent.py (an
engine as a room sees it), pool.py (the whole).
"""

from chatroom.engine_pool.options import base_options, engine_options
from chatroom.engine_pool.pool import EnginePool
from chatroom.engine_pool.starting import Limits

__all__ = ["EnginePool", "Limits", "base_options", "engine_options"]
