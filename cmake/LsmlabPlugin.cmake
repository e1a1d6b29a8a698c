# For variants that live outside this repository: include this file and call
#   lsmlab_add_plugin(my_filter my_filter.cc)
# It makes my_filter.so against the headers of this source tree. Same compiler as the program's.
cmake_minimum_required(VERSION 3.25)
get_filename_component(LSMLAB_SOURCE_TREE ${CMAKE_CURRENT_LIST_DIR} DIRECTORY)

# Headers may change between two builds, so the hash is looked up at each.
function(lsmlab_contract_hash target)
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/${target}_contract)
  add_custom_target(${target}
    COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${LSMLAB_SOURCE_TREE}
            -DOUTPUT=${directory}/lsmlab_contract_hash.h
            -P ${LSMLAB_SOURCE_TREE}/cmake/contract_hash.cmake
    BYPRODUCTS ${directory}/lsmlab_contract_hash.h)
  set(LSMLAB_CONTRACT_DIR ${directory} PARENT_SCOPE)
endfunction()

function(lsmlab_add_plugin name)
  lsmlab_contract_hash(${name}_hash)
  add_library(${name} MODULE ${ARGN})
  add_dependencies(${name} ${name}_hash)
  set_target_properties(${name} PROPERTIES PREFIX "" CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON
    CXX_EXTENSIONS OFF)
  target_include_directories(${name} PRIVATE ${LSMLAB_SOURCE_TREE} ${LSMLAB_CONTRACT_DIR})
  target_compile_options(${name} PRIVATE -march=x86-64-v2 -Wall -Wextra -Wno-unused-parameter)
endfunction()
