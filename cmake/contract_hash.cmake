# Writes a header with one hash over all contract headers of the engine, only when it has changed.
# Plugins and the program are compiled with it; a plugin with another one was made for other
# contracts and is refused. Run at build time: -DSOURCE_DIR= -DOUTPUT=
# A glob, where the rest of the build has lists: a header left out of a list would be a contract
# that may change unnoticed.
file(GLOB headers RELATIVE ${SOURCE_DIR} ${SOURCE_DIR}/engine/*.h ${SOURCE_DIR}/engine/base/*.h
  ${SOURCE_DIR}/engine/async/*.h ${SOURCE_DIR}/engine/format/*.h ${SOURCE_DIR}/engine/parts/*.h)
list(SORT headers)
set(all "")
foreach(header ${headers})
  file(SHA256 ${SOURCE_DIR}/${header} hash)
  string(APPEND all "${header} ${hash}\n")
endforeach()
string(SHA256 contract "${all}")
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT
"#pragma once
#define LSMLAB_CONTRACT_HASH \"${contract}\"
")
