/* The version of the library, by semantic versioning. */
#ifndef VMM_VERSION_H
#define VMM_VERSION_H

#define VMM_VERSION_MAJOR 0
#define VMM_VERSION_MINOR 1
#define VMM_VERSION_PATCH 0

#endif
