# Writes lsmlab_revision.h with the revision of the source tree, only when it has changed, so that an
# unchanged tree is not compiled again. Run at every build: -DSOURCE_DIR= -DOUTPUT=
find_package(Git QUIET)
set(revision "unknown")
set(dirty false)
if(GIT_FOUND)
  execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE_DIR} rev-parse HEAD
                  OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET
                  RESULT_VARIABLE failed)
  if(NOT failed)
    set(revision ${found})
    execute_process(COMMAND ${GIT_EXECUTABLE} -C ${SOURCE_DIR} status --porcelain
                            --untracked-files=no
                    OUTPUT_VARIABLE changes ERROR_QUIET)
    if(NOT changes STREQUAL "")
      set(dirty true)
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"#pragma once
#define LSMLAB_REVISION \"${revision}\"
#define LSMLAB_DIRTY ${dirty}
")
