# fails: a stack that is not present
# mistake: of the exceptions only #GP is the interpreter's
s/sensitive ? VMM_DECIDE_EMULATE/sensitive \&\& trap->vector == PROTECTION ? VMM_DECIDE_EMULATE/
