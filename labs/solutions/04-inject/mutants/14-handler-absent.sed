# fails: a handler behind a bad selector
# mistake: a code segment that is not present is entered
/^static bool read_handler/,/^}/s/if (!(code\[1\] & PRESENT))/if (false)/
