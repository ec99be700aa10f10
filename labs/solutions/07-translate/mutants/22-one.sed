# fails: a long way without a branch
# mistake: a unit is one instruction
s/} while (draft->count < VMM_UNIT_OPS/} while (draft->count < 1/
