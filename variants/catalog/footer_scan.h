#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/parts/catalog.h"
#include "variants/catalog/footer_mark.h"

namespace lsmlab {

// What a shard's directory and the properties of its tables hold for the catalog `footers`.
struct FooterScan {
  struct FoundTable {
    TableEntry entry;
    std::optional<OutputMark> output;
  };
  struct FoundCommit {
    CommitMark commit;
    uint64_t file = 0;  // of the table that carries it
  };

  std::vector<uint64_t> files;         // NNNNNN.sst, rising
  std::vector<std::string> manifests;  // files of catalog `manifest` but for CURRENT
  bool has_current = false, has_data = false;

  std::map<uint64_t, FoundTable> tables;    // by file
  std::map<uint64_t, FoundCommit> commits;  // by number: the records, and the newest

  // Lists the directory.
  Task<Status> Survey(const CatalogEnvironment& environment);
  // Reads the properties of `files`. `seed` is that of the marks.
  Task<Status> ReadTables(const CatalogEnvironment& environment, uint64_t seed);

 private:
  void TakeName(const std::string& name);
  Status TakeMark(uint64_t file, FooterMark mark);
};

// The path of NNNNNN.sst in the shard.
std::string TablePathIn(const CatalogEnvironment& environment, uint64_t file);

}  // namespace lsmlab
