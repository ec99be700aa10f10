# test: a page of the supervisor
# promises: Module allocator.shadow misbehaved: it filled the shadow for 0x00400000 with the rights 0x7 and 0x1, which refuse the access (error code 0x4) again
/^static bool allowed/,/^}/s/^    bool write = .*/    return fault \&\& (rights | 1);\n&/
