# fails: a triple fault
# mistake: after a double fault comes another
s/return VMM_NESTED_SHUTDOWN;/return VMM_NESTED_DOUBLE_FAULT;/
