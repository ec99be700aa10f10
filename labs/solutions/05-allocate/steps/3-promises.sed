# step: promises
# passes: a promise is kept
# passes: three guests
# expect: 0 bytes have gone to the console, expected 1
/^static bool allow/,/^}/s/return true;/return false;/
