# fails: single steps
# mistake: other exceptions of a sensitive instruction are the interpreter's
/default:/,/}/s/return VMM_DECIDE_REFLECT/return sensitive ? VMM_DECIDE_EMULATE : VMM_DECIDE_REFLECT/
