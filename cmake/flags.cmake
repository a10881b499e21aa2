# How our own targets are compiled. A host that adds this project keeps its own
# flags: all of it hangs on sluice_flags, but the sanitizers, which must cover
# everything in a process.
option(SLUICE_WERROR "Warnings are errors" OFF)
set(SLUICE_SANITIZE "" CACHE STRING
  "Sanitizers, as for -fsanitize= (address,undefined or thread)")

if(PROJECT_IS_TOP_LEVEL AND NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

# Warnings, the language and feature macros.
add_library(sluice_flags INTERFACE)
target_compile_features(sluice_flags INTERFACE c_std_11)
target_compile_definitions(sluice_flags INTERFACE _GNU_SOURCE)
target_compile_options(sluice_flags INTERFACE
  -std=c11 -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
  -Wmissing-prototypes -Wold-style-definition -Wconversion -Wcast-qual
  -Wwrite-strings -Wpointer-arith -Wvla -Wformat=2 -Wundef
  -Wimplicit-fallthrough -Wdouble-promotion -fno-common
  $<$<BOOL:${SLUICE_WERROR}>:-Werror>)

if(SLUICE_SANITIZE)
  add_compile_options(-fsanitize=${SLUICE_SANITIZE} -fno-sanitize-recover=all
    -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${SLUICE_SANITIZE})
endif()
