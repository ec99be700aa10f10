# step: the monitor's own pages
# passes: a return to a task that is not there
# expect: Module dispatcher.decision misbehaved: no routine can emulate an instruction that is not sensitive
s/trap->monitor && sensitive/trap->monitor/
