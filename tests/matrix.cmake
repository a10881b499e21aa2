# The suites that save, once more: on tmpfs and on a disk, with nobody to help,
# with libuv's pool forced on, and with each odd executor (support/rig.h says
# how the environment chooses). `ctest --preset matrix`; ./dev test takes a
# sample.
set(matrix_folders tmpfs disk)
set(matrix_tmpfs /dev/shm)
set(matrix_disk ${PROJECT_BINARY_DIR})
set(matrix_executors none pool1 pool3 pool7 at_once threads fickle refuses late)

# sluice_matrix_row(NAME SUITE FOLDER [VAR=value])
function(sluice_matrix_row name suite folder)
  add_test(NAME ${name} COMMAND test_${suite})
  set_tests_properties(${name} PROPERTIES LABELS matrix TIMEOUT ${HANG_S}
    ENVIRONMENT
    "SLUICE_TEST_FOLDER=${matrix_${folder}};CK_EXCLUDE_TAGS=large;${ARGN}")
endfunction()

foreach(folder IN LISTS matrix_folders)
  foreach(suite save cut abort live_ram mapped mapped_odd cut_ram cut_policy
      objects fields_sections restore_place)
    if(TARGET test_${suite})
      foreach(executor IN LISTS matrix_executors)
        sluice_matrix_row(matrix_${suite}_${executor}_${folder} ${suite}
          ${folder} SLUICE_TEST_EXECUTOR=${executor})
      endforeach()
    endif()
  endforeach()
  foreach(suite chunk_size copy_jobs half_done page_once write_now) # choose themselves
    sluice_matrix_row(matrix_${suite}_${folder} ${suite} ${folder})
  endforeach()
endforeach()

# The fault suites have a thread pool of their own, and their folder on a disk.
if(TARGET test_fault_save)
  foreach(suite fault_save fault_restore)
    sluice_matrix_row(matrix_${suite}_tmpfs ${suite} tmpfs)
  endforeach()
endif()
