# fails: hlt in ring 0
# mistake: HLT is a NOP
s/VMM_OUTCOME_IDLE/VMM_OUTCOME_DONE/
