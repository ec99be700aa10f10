/* A witness against suspect 5: CLI in ring 3 with IOPL 3. */
#include "guest.inc"
begin:
    setup
    enter_user user, 3
user:
    cli
    finish
    tables
