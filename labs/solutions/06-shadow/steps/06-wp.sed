# test: the supervisor writes with WP = 0
# promises: Module allocator.shadow misbehaved: it filled the shadow for 0x00400000 with the rights 0x7 and 0x5, which refuse the access (error code 0x2) again
/^    if (write && !(answer.directory_rights & RW))/,+3d
