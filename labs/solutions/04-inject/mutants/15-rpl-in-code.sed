# fails: a TSS with a bad stack
# mistake: the RPL stays in the error code
/^static bool switch_stack/,/^}/s/selector & ~RPL/selector/
