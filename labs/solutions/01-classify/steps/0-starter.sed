# step: the starter, predictions
# expect: What you predict of hlt does not happen. See what does:
# expect: control_sensitive of instruction 0 of machine 0 is missing
