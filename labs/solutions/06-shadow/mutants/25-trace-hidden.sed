# fails: a page table in the hands of the user
# mistake: a write to a table is called hidden
s/answer.kind = VMM_SHADOW_TRACE;/answer.kind = VMM_SHADOW_HIDDEN;/
