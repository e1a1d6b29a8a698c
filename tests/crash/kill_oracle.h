#pragma once

#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

// What a program that writes to a store until it is killed notes in a file beside it: before each
// write and after its acknowledgement one record, with one write(), which the page cache keeps
// through kill -9.
namespace lsmlab::test {

enum class KillNote : char { kBegun = 'b', kAcknowledged = 'a' };

// How far one caller had come, whose writes are numbered from 1 and made one after the other.
struct KillOracle {
  uint64_t begun = 0;
  uint64_t acknowledged = 0;
};

inline constexpr size_t kKillRecord = 10;  // number, caller, note

// Ends the program when it cannot: the parent then sees that nobody killed it.
inline void AppendNote(int fd, uint8_t caller, uint64_t number, KillNote note) {
  char record[kKillRecord];
  std::memcpy(record, &number, 8);
  record[8] = static_cast<char>(caller);
  record[9] = static_cast<char>(note);
  if (write(fd, record, sizeof record) != static_cast<ssize_t>(sizeof record)) _exit(3);
}

// The last notes of each caller.
inline std::vector<KillOracle> ReadOracle(const std::string& path, size_t callers) {
  std::vector<KillOracle> oracle(callers);
  std::ifstream in(path, std::ios::binary);
  char record[kKillRecord];
  while (in.read(record, sizeof record)) {
    uint64_t number;
    std::memcpy(&number, record, 8);
    KillOracle& of_caller = oracle.at(static_cast<uint8_t>(record[8]));
    const bool begun = static_cast<KillNote>(record[9]) == KillNote::kBegun;
    (begun ? of_caller.begun : of_caller.acknowledged) = number;
  }
  return oracle;
}

}  // namespace lsmlab::test
