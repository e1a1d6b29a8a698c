# One program per sanitizer with the sources of the tests named here; built in the build directories
# of the presets asan and tsan (target lsmlab_asan_tests, lsmlab_tsan_tests) and run by ctest of the
# release build. Tests of the harness are left out: its headers would double the time to build.
# To add a test, add its name. REQUIRES: no two of them share a test suite's name. These presets
# compile twelve files as one (a third of the time), so the private names of a library's files, and of
# the tests here, differ from each other.
set(LSMLAB_ASAN_TESTS
  async_test base_test cache_conformance_test catalog_conformance_test codec_conformance_test
  crash_test fault_test filter_conformance_test format_test
  io_test memtable_conformance_test model_test store_test table_conformance_test
  table_format_test wal_conformance_test
)
set(LSMLAB_TSAN_TESTS
  async_test base_test cache_conformance_test io_test memtable_conformance_test model_test
  store_test threads_test
)
set(LSMLAB_ASAN_SCALE 0.035)
set(LSMLAB_TSAN_SCALE 0.04)
# Left out of the run: long simulations of decisions without any memory to get wrong, what another
# suite does with the same code, and for the thread sanitizer what one thread does alone.
set(long_ones OutputCut.* *AlignedOutputs* *SnapshotOfManyTables* *AnEditInParts* *MonkeySearches*
  CoveringArray.*)
set(asan_skipped LeveledModel.* PolicyShapes.* *PolicyModel.* CoveringModel.* *StorePacing*
  *StorePinning* *Catalog*.HoldsOnTheSimulatedDisk* CatalogSuccession.* *AnyMomentWillDo*
  *KeysAndValuesUpToTheLimits* ${long_ones})
set(tsan_skipped *ModelTest.*_inline */MemtableConformance.* Arena.* *Covering* *StorePinning.*
  *StoreDictionaryTest.* */DamageTest.* *KeysAndValuesUpToTheLimits* ${long_ones})
list(JOIN asan_skipped ":" LSMLAB_ASAN_SKIPPED)
list(JOIN tsan_skipped ":" LSMLAB_TSAN_SKIPPED)

function(lsmlab_sanitizer_program name)
  set(sources "")
  set(libs "")
  foreach(test ${ARGN})
    get_property(more_sources GLOBAL PROPERTY LSMLAB_SOURCES_OF_${test})
    get_property(more_libs GLOBAL PROPERTY LSMLAB_LIBS_OF_${test})
    if(NOT more_sources)
      message(FATAL_ERROR "${name}: no lsmlab_test is called ${test}")
    endif()
    list(APPEND sources ${more_sources})
    list(APPEND libs ${more_libs})
  endforeach()
  list(REMOVE_DUPLICATES libs)
  add_executable(${name} EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(${name} PRIVATE ${libs} lsmlab_flags GTest::gtest GTest::gtest_main)
  # The time goes into the code under test; optimising the tests would cost more than it saves.
  target_compile_options(${name} PRIVATE -O0)
  set_target_properties(${name} PROPERTIES LSMLAB_TEST_CODE ON)
endfunction()

if(LSMLAB_SANITIZE STREQUAL "address")
  lsmlab_sanitizer_program(lsmlab_asan_tests ${LSMLAB_ASAN_TESTS})
elseif(LSMLAB_SANITIZE STREQUAL "thread")
  lsmlab_sanitizer_program(lsmlab_tsan_tests ${LSMLAB_TSAN_TESTS})
endif()

option(LSMLAB_SANITIZER_TESTS "ctest also runs the programs of build-asan and build-tsan" OFF)
if(LSMLAB_SANITIZER_TESTS)
  foreach(kind asan tsan)
    string(TOUPPER ${kind} upper_kind)
    add_test(NAME lsmlab_${kind}_tests
      COMMAND ${PROJECT_SOURCE_DIR}/build-${kind}/tests/lsmlab_${kind}_tests --gtest_brief=1
        --gtest_filter=-${LSMLAB_${upper_kind}_SKIPPED}
      WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(lsmlab_${kind}_tests PROPERTIES TIMEOUT 1200 LABELS sanitizer COST 1000
      # A small quarantine: stores are large, and touching new memory costs more than the checks.
      ENVIRONMENT "LSMLAB_TEST_SCALE=${LSMLAB_${upper_kind}_SCALE};ASAN_OPTIONS=quarantine_size_mb=16")
  endforeach()
endif()
