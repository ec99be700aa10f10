# fails: invlpg
# mistake: INVLPG is a NOP
s/VMM_OUTCOME_INVALIDATE/VMM_OUTCOME_DONE/
