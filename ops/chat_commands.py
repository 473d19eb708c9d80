"""The switches as commands: pause is for proactive work only, freeze is for every model and tool call."""

from common.commands import Call, command
from ops.models import Switch
from ops.switches import switch_set


@command("pause", help="no proactive work until /resume")
def pause(call: Call) -> str:
    switch_set(name=Switch.Name.PAUSE, on=True, actor=call.actor, reason=call.argument)
    return "Proactive work is paused. Your own requests go on. /resume ends the pause."


@command("freeze", help="no model and no tool call until /resume")
def freeze(call: Call) -> str:
    switch_set(name=Switch.Name.FREEZE, on=True, actor=call.actor, reason=call.argument)
    return "Frozen: no model and no tool is called, running work stops within seconds. /resume ends it."


@command("resume", help="end a pause or a freeze")
def resume(call: Call) -> str:
    for name in (Switch.Name.PAUSE, Switch.Name.FREEZE):
        switch_set(name=name, on=False, actor=call.actor)
    return "I work again. What was interrupted goes on by itself."
