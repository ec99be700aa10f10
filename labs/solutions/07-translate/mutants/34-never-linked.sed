# fails: loops that are linked
# mistake: no exit is linked
/^static bool link_exit/,/^}/s/return true;/return false;/
