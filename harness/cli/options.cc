#include "harness/cli/options.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <charconv>
#include <sstream>

#include "variants/nearest.h"

namespace lsmlab::harness {
namespace {

namespace po = boost::program_options;

constexpr char kPositional[] = "positional";

std::string_view LongName(const OptionSpec& option) {
  return option.name.substr(0, option.name.find(','));
}

po::options_description Describe(const CommandSpec& spec) {
  po::options_description description("options");
  auto add = description.add_options();
  for (const OptionSpec& option : spec.options) {
    const std::string name(option.name);
    const std::string help(option.help);
    if (option.value_name.empty()) {
      add(name.c_str(), po::bool_switch(), help.c_str());
    } else {
      add(name.c_str(),
          po::value<std::vector<std::string>>()->composing()->value_name(
              std::string(option.value_name)),
          help.c_str());
    }
  }
  add("help,h", po::bool_switch(), "show this and an example");
  return description;
}

Status UnknownOption(const CommandSpec& spec, std::string_view given) {
  const std::string_view bare = given.substr(std::min(given.find_first_not_of('-'), given.size()));
  std::vector<std::string_view> known;
  for (const OptionSpec& option : spec.options) known.push_back(LongName(option));
  known.push_back("help");
  return Status::InvalidArgument(std::string(spec.name) + ": unknown option '" + Shown(given) +
                                 "', known are --" + JoinNames(known) + DidYouMean(bare, known));
}

// What a shell makes of a variable that is not set.
Status CheckValue(const CommandSpec& spec, std::string_view name, const std::string& text) {
  if (!text.empty()) return {};
  std::string_view allowed;
  for (const OptionSpec& option : spec.options) {
    if (LongName(option) == name) allowed = option.value_name;
  }
  return Status::InvalidArgument(std::string(spec.name) + ": --" + std::string(name) +
                                 ": '' is not allowed; allowed is " + std::string(allowed));
}

Status CheckPositional(const CommandSpec& spec, const std::vector<std::string>& given) {
  if (std::find(given.begin(), given.end(), "") != given.end()) {
    return Status::InvalidArgument(std::string(spec.name) + ": '' is not allowed; allowed is " +
                                   std::string(spec.positional));
  }
  if (given.size() >= spec.positional_min && given.size() <= spec.positional_max) return {};
  std::string message(spec.name);
  if (given.size() < spec.positional_min) {
    message +=
        ": needs " + std::string(spec.positional) + "; for example: " + std::string(spec.example);
  } else {
    message += ": '" + Shown(given[spec.positional_max]) + "' is one argument too many";
  }
  return Status::InvalidArgument(message);
}

}  // namespace

std::string ParsedOptions::Get(std::string_view name, std::string_view fallback) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::string(fallback) : found->second.back();
}

std::vector<std::string> ParsedOptions::All(std::string_view name) const {
  const auto found = values_.find(name);
  return found == values_.end() ? std::vector<std::string>() : found->second;
}

Result<ParsedOptions> ParseOptions(const CommandSpec& spec,
                                   const std::vector<std::string>& arguments) {
  po::options_description all = Describe(spec);
  all.add_options()(kPositional, po::value<std::vector<std::string>>());
  po::positional_options_description positions;
  positions.add(kPositional, -1);
  ParsedOptions parsed;
  po::variables_map values;
  try {
    const int style = po::command_line_style::unix_style & ~po::command_line_style::allow_guessing;
    po::store(
        po::command_line_parser(arguments).options(all).positional(positions).style(style).run(),
        values);
  } catch (const po::unknown_option& error) {
    return UnknownOption(spec, error.get_option_name());
  } catch (const po::error& error) {
    return Status::InvalidArgument(std::string(spec.name) + ": " + Shown(error.what()));
  }
  for (const auto& [name, value] : values) {
    if (name == "help") {
      parsed.help_ = value.as<bool>();
    } else if (const auto* texts = boost::any_cast<std::vector<std::string>>(&value.value())) {
      if (name == kPositional) {
        parsed.positional_ = *texts;
        continue;
      }
      for (const std::string& text : *texts) LSMLAB_TRY(CheckValue(spec, name, text));
      parsed.values_[name] = *texts;
    } else if (value.as<bool>()) {
      parsed.values_[name] = {"true"};
    }
  }
  if (!parsed.help_) LSMLAB_TRY(CheckPositional(spec, parsed.positional_));
  return parsed;
}

std::string HelpText(const CommandSpec& spec) {
  std::ostringstream text;
  text << "lsmlab " << spec.name;
  if (!spec.positional.empty()) text << ' ' << spec.positional;
  text << " [options]\n"
       << spec.summary << "\n\n"
       << Describe(spec) << "\nexample: " << spec.example << '\n';
  return text.str();
}

Result<uint64_t> ParseCount(std::string_view option, std::string_view text, uint64_t min,
                            uint64_t max) {
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == text.data() + text.size();
  if (whole && value >= min && value <= max) return value;
  return Status::InvalidArgument(std::string(option) + ": '" + Shown(text) +
                                 "' is not allowed; allowed is a whole number from " +
                                 std::to_string(min) + " to " + std::to_string(max));
}

Result<std::pair<std::string, std::string>> SplitAssignment(std::string_view option,
                                                            std::string_view text) {
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    return Status::InvalidArgument(std::string(option) + ": '" + Shown(text) +
                                   "' is not allowed; allowed is name=value");
  }
  return std::pair(std::string(text.substr(0, equals)), std::string(text.substr(equals + 1)));
}

}  // namespace lsmlab::harness
