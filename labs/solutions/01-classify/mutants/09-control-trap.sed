# fails: control sensitive
# mistake: a trap counts as a change
s/        return false;\r\?$/&/;/^static bool changes/,/^}/s/return false;/return true;/
