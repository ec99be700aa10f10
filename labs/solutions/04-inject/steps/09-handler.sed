# test: a handler behind a bad selector
# promises: Module dispatcher.delivery misbehaved: it entered CS 0x0000 at CPL 0, which the guest's descriptors do not allow
/^static bool read_handler/,/^}/{
/if (!(code\[1\] & SEGMENT)/,/NOT_PRESENT/d
}
/^static bool read_descriptor/,/^}/{
/if (!offset)/,/selector & ~RPL, fault/d
}
