# file: allocator/shadow.c
# property: resource control
# mistake: the frame of a shadow table is not given back
s|^    frames_give_back(shadow->map->pool, it->machine);||
