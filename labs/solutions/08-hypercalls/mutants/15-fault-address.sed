# fails: processes at work
# mistake: every page fault is at 0
s/return shared.fault_address;/return 0 \& shared.fault_address;/
