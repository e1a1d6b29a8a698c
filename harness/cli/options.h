#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace lsmlab::harness {

// One option of a command. Without a value name it is a switch.
struct OptionSpec {
  std::string_view name;        // "workload" or "property,p": long name, short letter
  std::string_view value_name;  // "FILE"; empty: a switch
  std::string_view help;
};

// A command as --help shows it. Plain text only; printed by PrintHelp.
struct CommandSpec {
  std::string_view name;
  std::string_view summary;
  std::string_view positional;  // "EXPERIMENT.toml"; empty: takes none
  size_t positional_min = 0;
  size_t positional_max = 0;
  std::string_view example;
  std::span<const OptionSpec> options;
};

// What was given: every value of every option in order, and the positional arguments.
class ParsedOptions {
 public:
  bool Has(std::string_view name) const { return values_.find(name) != values_.end(); }
  // The last one given; `fallback` when there is none.
  std::string Get(std::string_view name, std::string_view fallback = {}) const;
  std::vector<std::string> All(std::string_view name) const;
  const std::vector<std::string>& positional() const noexcept { return positional_; }
  bool help() const noexcept { return help_; }

 private:
  friend Result<ParsedOptions> ParseOptions(const CommandSpec&, const std::vector<std::string>&);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> positional_;
  bool help_ = false;
};

// InvalidArgument, one line: what was found, what is allowed, the nearest spelling.
Result<ParsedOptions> ParseOptions(const CommandSpec& spec,
                                   const std::vector<std::string>& arguments);

std::string HelpText(const CommandSpec& spec);

// A whole number in [min, max] with nothing after it; the error names the option.
Result<uint64_t> ParseCount(std::string_view option, std::string_view text, uint64_t min,
                            uint64_t max);

// "name=value" at its first '='.
Result<std::pair<std::string, std::string>> SplitAssignment(std::string_view option,
                                                            std::string_view text);

}  // namespace lsmlab::harness
