# fails: a gate that is not present
# mistake: a gate that is not present is gone through
/^static bool read_gate/,/^}/s/if (!(gate\[1\] & PRESENT))/if (false)/
