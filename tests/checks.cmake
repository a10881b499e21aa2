# Checks of the project as a whole: what it exports, installs, includes. Shell
# scripts that say what is wrong and exit non-zero; each can be run by hand.
find_program(CXX_COMPILER NAMES c++ g++ clang++)
find_program(NM nm)
find_program(READELF readelf)

# sluice_check(NAME [ENV VAR=value ...]): runs tests/NAME/run.sh.
function(sluice_check name)
  cmake_parse_arguments(C "" "" "ENV" ${ARGN})
  add_test(NAME ${name} COMMAND sh ${CMAKE_CURRENT_SOURCE_DIR}/${name}/run.sh)
  list(TRANSFORM C_ENV REPLACE ";" "\\\\;")
  set_tests_properties(${name} PROPERTIES LABELS project TIMEOUT 600
    ENVIRONMENT "SOURCE=${PROJECT_SOURCE_DIR};BUILD=${PROJECT_BINARY_DIR};CC=${CMAKE_C_COMPILER};CXX=${CXX_COMPILER};NM=${NM};READELF=${READELF};CMAKE=${CMAKE_COMMAND};${C_ENV}")
endfunction()

# sluice_includes(OUT TARGET): the -I flags that TARGET is compiled with, a line
# each.
function(sluice_includes out target)
  set(dirs $<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>)
  set(${out} "-I$<JOIN:${dirs},\n-I>" PARENT_SCOPE)
endfunction()

sluice_check(lengths)

set(header_dirs engine/include)
if(TARGET sluice_handlers)
  list(APPEND header_dirs handlers/include)
endif()
if(TARGET sluice_jemalloc)
  list(APPEND header_dirs engine/memory/include)
endif()
list(JOIN header_dirs " " header_dirs)
list(JOIN UV_CFLAGS " " uv_cflags)
sluice_check(null_coverage ENV "DIRS=${header_dirs}")
sluice_check(headers ENV "DIRS=${header_dirs}" "UV_CFLAGS=${uv_cflags}")

sluice_includes(queue_flags sluice_queue)
sluice_includes(engine_flags sluice)
set(handlers_flags "")
if(TARGET sluice_handlers)
  sluice_includes(handlers_flags sluice_handlers)
endif()
sluice_check(layering ENV "QUEUE_FLAGS=${queue_flags}"
  "ENGINE_FLAGS=${engine_flags}" "HANDLERS_FLAGS=${handlers_flags}")

# The objects of the static libraries, as they are built now: a folder of objects
# also has those of sources that are gone.
set(objects "")
foreach(target sluice_queue sluice_pump sluice sluice_jemalloc sluice_handlers)
  if(TARGET ${target})
    string(APPEND objects "$<JOIN:$<TARGET_OBJECTS:${target}>,\n>\n")
  endif()
endforeach()
file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/circles.objects
  CONTENT "${objects}")
sluice_check(circles ENV "OBJECTS=${CMAKE_CURRENT_BINARY_DIR}/circles.objects")

# A sanitizer changes what a library exports and what its user must link.
if(NOT SLUICE_SANITIZE)
  set(shared $<TARGET_FILE:sluice_shared>)
  if(TARGET sluice_handlers_shared)
    string(APPEND shared "\n$<TARGET_FILE:sluice_handlers_shared>")
  endif()
  sluice_check(symbols ENV "LIBRARIES=${shared}")

  add_executable(plain_host plain_host/main.c)
  target_link_libraries(plain_host PRIVATE ${CMAKE_DL_LIBS} sluice_flags)
  sluice_check(plain_host ENV "HOST=$<TARGET_FILE:plain_host>"
    "LIBRARY=$<TARGET_FILE:sluice_shared>")

  set(tool "")
  if(TARGET sluice_tool)
    set(tool sluice)
  endif()
  sluice_check(install ENV "TOOL=${tool}")
endif()

# What programs were built against, as libabigail describes it. The stored
# descriptions are gcc's, of x86-64, and of nothing that adds code of its own;
# the debug information has to be there.
if(CMAKE_C_COMPILER_ID STREQUAL GNU AND CMAKE_BUILD_TYPE STREQUAL Debug
   AND CMAKE_SYSTEM_PROCESSOR STREQUAL x86_64 AND NOT SLUICE_SANITIZE
   AND NOT CMAKE_C_FLAGS MATCHES "coverage|analyzer")
  set(described $<TARGET_FILE:sluice_shared>)
  if(TARGET sluice_handlers_shared)
    string(APPEND described "\n$<TARGET_FILE:sluice_handlers_shared>")
  endif()
  set(libraries ${CMAKE_CURRENT_BINARY_DIR}/abi.libraries)
  file(GENERATE OUTPUT ${libraries} CONTENT "${described}\n")
  sluice_check(abi ENV "LIBRARIES=${libraries}")
  add_custom_target(renew_abi
    COMMAND ${CMAKE_COMMAND} -E env SOURCE=${PROJECT_SOURCE_DIR}
      LIBRARIES=${libraries} sh ${CMAKE_CURRENT_SOURCE_DIR}/abi/run.sh --renew
    VERBATIM)
  add_dependencies(renew_abi sluice_shared)
  if(TARGET sluice_handlers_shared)
    add_dependencies(renew_abi sluice_handlers_shared)
  endif()
endif()
