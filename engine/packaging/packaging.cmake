# What is delivered: each library static and shared, headers, the tool, and what
# pkg-config and find_package() need to find them.
#
# BUILD_SHARED_LIBS chooses what sluice::sluice and sluice::handlers mean, here and
# for who finds the package: the shared libraries, or, off or not set, the static
# ones. Our own programs link what they name.
include(CMakePackageConfigHelpers)

set(SLUICE_LINKAGE static)
if(BUILD_SHARED_LIBS)
  set(SLUICE_LINKAGE shared)
endif()

# Before 1.0 a minor version may break hosts: docs/abi.md.
set(SLUICE_SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})

# sluice_shared_twin(TARGET OUTPUT_NAME [OBJECTS target ...] [LINK ...])
# Makes TARGET_shared from the objects of the static TARGET, so that each file is
# compiled once. OBJECTS: object libraries that the static one contains.
function(sluice_shared_twin target output_name)
  cmake_parse_arguments(T "" "" "OBJECTS;LINK" ${ARGN})
  set(objects $<TARGET_OBJECTS:${target}>)
  foreach(library ${T_OBJECTS})
    list(APPEND objects $<TARGET_OBJECTS:${library}>)
  endforeach()
  set(map ${PROJECT_SOURCE_DIR}/engine/sluice.map)

  add_library(${target}_shared SHARED ${objects})
  target_link_libraries(${target}_shared ${T_LINK})
  target_link_options(${target}_shared PRIVATE -Wl,--version-script=${map})
  if(NOT SLUICE_SANITIZE) # a sanitizer's run-time may come with the program
    target_link_options(${target}_shared PRIVATE -Wl,-z,defs)
  endif()
  get_target_property(includes ${target} INTERFACE_INCLUDE_DIRECTORIES)
  target_include_directories(${target}_shared INTERFACE ${includes})
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON C_VISIBILITY_PRESET hidden)
  set_target_properties(${target}_shared PROPERTIES
    OUTPUT_NAME ${output_name} LINKER_LANGUAGE C LINK_DEPENDS ${map}
    VERSION ${PROJECT_VERSION} SOVERSION ${SLUICE_SOVERSION})
endfunction()

sluice_shared_twin(sluice sluice OBJECTS sluice_queue sluice_pump
  LINK PUBLIC PkgConfig::UV PRIVATE PkgConfig::XXHASH PkgConfig::JANSSON
    PkgConfig::ZLIB)
add_library(sluice::sluice_shared ALIAS sluice_shared)
if(SLUICE_LINKAGE STREQUAL shared)
  add_library(sluice::sluice ALIAS sluice_shared)
else()
  add_library(sluice::sluice ALIAS sluice)
endif()
set_target_properties(sluice PROPERTIES EXPORT_NAME sluice_static)
set(SLUICE_TARGETS sluice sluice_shared)
set(SLUICE_HEADERS engine/include/)
set(SLUICE_PC sluice)

# While the handlers are being written.
if(TARGET sluice_handlers)
  sluice_shared_twin(sluice_handlers sluice_handlers LINK PUBLIC sluice_shared)
  add_library(sluice::handlers_shared ALIAS sluice_handlers_shared)
  if(SLUICE_LINKAGE STREQUAL shared)
    add_library(sluice::handlers ALIAS sluice_handlers_shared)
  else()
    add_library(sluice::handlers ALIAS sluice_handlers)
  endif()
  set_target_properties(sluice_handlers PROPERTIES EXPORT_NAME handlers_static)
  # Installed, it has no run path: a host of handlers is one of the core, which
  # is then found by the host's. Where it is built, the core lies beside it; the
  # path of that folder would be in its bytes, and so in its build-id.
  set_target_properties(sluice_handlers_shared PROPERTIES
    EXPORT_NAME handlers_shared BUILD_RPATH_USE_ORIGIN ON)
  list(APPEND SLUICE_TARGETS sluice_handlers sluice_handlers_shared)
  list(APPEND SLUICE_HEADERS handlers/include/)
  list(APPEND SLUICE_PC sluice-handlers)
endif()
if(TARGET sluice_jemalloc)
  set_target_properties(sluice_jemalloc PROPERTIES EXPORT_NAME jemalloc)
  list(APPEND SLUICE_TARGETS sluice_jemalloc)
  list(APPEND SLUICE_HEADERS engine/memory/include/)
  list(APPEND SLUICE_PC sluice-jemalloc)
endif()

install(TARGETS ${SLUICE_TARGETS} EXPORT sluiceTargets)
foreach(folder ${SLUICE_HEADERS})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${folder}
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endforeach()
if(TARGET sluice_tool)
  install(TARGETS sluice_tool)
endif()
if(EXISTS ${PROJECT_SOURCE_DIR}/tool/sluice.1)
  install(FILES ${PROJECT_SOURCE_DIR}/tool/sluice.1
    DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()

set(SLUICE_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/sluice)
install(EXPORT sluiceTargets NAMESPACE sluice:: DESTINATION ${SLUICE_CMAKE_DIR})
configure_package_config_file(engine/packaging/sluiceConfig.cmake.in sluiceConfig.cmake
  INSTALL_DESTINATION ${SLUICE_CMAKE_DIR})
# Before 1.0 a minor version may break hosts.
write_basic_package_version_file(sluiceConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/sluiceConfig.cmake
              ${PROJECT_BINARY_DIR}/sluiceConfigVersion.cmake
  DESTINATION ${SLUICE_CMAKE_DIR})

# The prefix is found from where the .pc file lies: `cmake --install --prefix`
# may move it after this was configured.
if(IS_ABSOLUTE ${CMAKE_INSTALL_LIBDIR})
  set(SLUICE_PC_PREFIX ${CMAKE_INSTALL_PREFIX})
  set(SLUICE_PC_LIBDIR ${CMAKE_INSTALL_LIBDIR})
else()
  file(RELATIVE_PATH up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  string(REGEX REPLACE "/$" "" up ${up})
  set(SLUICE_PC_PREFIX "\${pcfiledir}/${up}")
  set(SLUICE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()
if(IS_ABSOLUTE ${CMAKE_INSTALL_INCLUDEDIR})
  set(SLUICE_PC_INCLUDEDIR ${CMAKE_INSTALL_INCLUDEDIR})
else()
  set(SLUICE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
endif()
foreach(name ${SLUICE_PC})
  configure_file(engine/packaging/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()
