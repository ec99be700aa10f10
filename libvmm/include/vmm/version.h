/** @file
 * The version of the library, by semantic versioning. */
#ifndef VMM_VERSION_H
#define VMM_VERSION_H

/** Changes when the interface breaks. */
#define VMM_VERSION_MAJOR 0
/** Changes when the interface grows. */
#define VMM_VERSION_MINOR 1
/** Changes with corrections. */
#define VMM_VERSION_PATCH 0

#endif
