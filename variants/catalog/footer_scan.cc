#include "variants/catalog/footer_scan.h"

#include <algorithm>
#include <iterator>

#include "engine/format/file_name.h"
#include "variants/catalog/current_file.h"

namespace lsmlab {
namespace {

constexpr std::string_view kManifestPrefix = "MANIFEST-";

}  // namespace

std::string TablePathIn(const CatalogEnvironment& environment, uint64_t file) {
  return environment.directory + "/" + NumberedFileName("", file, ".sst");
}

Task<Status> FooterScan::Survey(const CatalogEnvironment& environment) {
  Result<std::vector<DirEntry>> listed =
      co_await ListDirectory(*environment.io, IoSite::kRecovery, environment.directory);
  if (!listed.ok()) co_return listed.status();
  for (const DirEntry& entry : listed.value()) TakeName(entry.name);
  std::sort(files.begin(), files.end());
  co_return Status();
}

void FooterScan::TakeName(const std::string& name) {
  has_current |= name == kCurrentName;
  has_data |= IsShardData(name);
  if (name == kCurrentTempName || ParseNumberedFileName(kManifestPrefix, "", name)) {
    manifests.push_back(name);
  }
  if (const auto file = ParseNumberedFileName("", ".sst", name)) files.push_back(*file);
}

Task<Status> FooterScan::ReadTables(const CatalogEnvironment& environment, uint64_t seed) {
  for (const uint64_t file : files) {
    Result<ShardFiles::TableFacts> facts = co_await environment.files->ReadTable(file);
    if (!facts.ok()) co_return facts.status();
    FoundTable& table = tables[file];
    table.entry = std::move(facts->entry);
    if (facts->mark.empty()) continue;
    Result<FooterMark> mark = DecodeFooterMark(facts->mark, seed);
    Status taken = mark.status();
    if (mark.ok()) taken = TakeMark(file, std::move(mark).value());
    if (!taken.ok()) {
      co_return Status::Corruption(TablePathIn(environment, file) + ": " +
                                   std::string(taken.message()));
    }
  }
  co_return Status();
}

Status FooterScan::TakeMark(uint64_t file, FooterMark mark) {
  if (mark.output && mark.output->file != file) {
    return Status::Corruption("expected the mark of table " + std::to_string(file) +
                              ", found that of table " + std::to_string(mark.output->file));
  }
  tables[file].output = std::move(mark.output);
  if (!mark.commit) return {};
  const uint64_t number = mark.commit->number;
  const auto same = commits.find(number);
  if (same != commits.end()) {
    return Status::Corruption("expected one table with commit " + std::to_string(number) +
                              ", found table " + std::to_string(same->second.file) + " as well");
  }
  // Of those that are no base only the newest is of interest.
  if (!commits.empty()) {
    const auto last = std::prev(commits.end());
    if (last->first > number && mark.commit->base != 0) return {};
    if (last->first < number && last->second.commit.base != 0) commits.erase(last);
  }
  FoundCommit& found = commits[number];
  found.commit = std::move(*mark.commit);
  found.file = file;
  return {};
}

}  // namespace lsmlab
