using System.Text.RegularExpressions;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>
/// Where the operations of a log go when they are done again. A rule is <c>FROM=TO</c> for what an address begins with, <c>FROM=TO1,TO2</c>
/// to share
/// it among several (the same address always to the same one; with <c>FROM=rr:TO1,TO2</c> in turns), or <c>re:PATTERN=TO</c> with
/// <c>$1</c>. The
/// first that fits decides. Where none does, what comes behind the bucket goes below the target.
/// </summary>
public sealed class RemapRules
{
    sealed record Rule(string From, Regex? Pattern, string[] To, bool InTurns)
    {
        public int Next;
    }

    readonly List<Rule> _rules = [];
    readonly string? _target;

    /// <param name="target">An address, or null where rules are to fit everything.</param>
    /// <param name="rules">In the order in which they are tried.</param>
    /// <exception cref="StoreException">InvalidArgument: a rule is none.</exception>
    public RemapRules(string? target, IEnumerable<string> rules)
    {
        _target = target?.TrimEnd('/');
        foreach (string text in rules)
        {
            int equals = text.LastIndexOf('=');
            if (equals <= 0 || equals == text.Length - 1)
                throw new StoreException(ErrorKind.InvalidArgument, text,
                    "a rule is FROM=TO, such as s3://old/=s3://new/, or re:PATTERN=TO");
            string from = text[..equals], to = text[(equals + 1)..];
            bool turns = to.StartsWith("rr:", StringComparison.Ordinal);
            try
            {
                _rules.Add(from.StartsWith("re:", StringComparison.Ordinal)
                    ? new Rule("", new Regex(from[3..], RegexOptions.CultureInvariant | RegexOptions.NonBacktracking), [to], false)
                    : new Rule(from, null, (turns ? to[3..] : to).Split(','), turns));
            }
            catch (ArgumentException error)
            {
                throw new StoreException(ErrorKind.InvalidArgument, text, $"the pattern is no regular expression: {error.Message}",
                    cause: error);
            }
        }
    }

    /// <summary>The address to use, or null where no rule fits and there is no target.</summary>
    public string? Map(in OpRecord record)
    {
        string address = Address(record);
        foreach (var rule in _rules)
        {
            if (rule.Pattern is { } pattern)
            {
                if (pattern.IsMatch(address))
                    return pattern.Replace(address, rule.To[0], 1);
                continue;
            }
            if (!address.StartsWith(rule.From, StringComparison.Ordinal))
                continue;
            int which = rule.To.Length == 1 ? 0 : rule.InTurns ? rule.Next++ % rule.To.Length
                : (int)(StableHash(address) % (uint)rule.To.Length);
            return rule.To[which] + address[rule.From.Length..];
        }
        return _target is null ? null : $"{_target}/{Below(record)}";
    }

    /// <summary>The address as it was.</summary>
    public static string Address(in OpRecord record)
    {
        if (StoreUri.IsAddress(record.File))
            return record.File;
        int mark = record.Endpoint.IndexOf("://", StringComparison.Ordinal);
        string scheme = mark < 0 ? "s3" : record.Endpoint[..mark];
        // warp's endpoint is a server, and its file a key; ours and the original's begin with the bucket
        return scheme is "http" or "https" ? $"s3://{record.File}"
            : $"{scheme}://{(scheme is "file" or "direct" && !record.File.StartsWith('/') ? "/" : "")}{record.File}";
    }

    /// <summary>The key below the bucket or container; of a file its path.</summary>
    static string Below(in OpRecord record)
    {
        string file = record.File.TrimStart('/');
        int mark = record.Endpoint.IndexOf("://", StringComparison.Ordinal);
        string container = mark < 0 || record.Endpoint.StartsWith("http", StringComparison.Ordinal) ? "" : record.Endpoint[(mark + 3)..]
            .TrimEnd('/');
        return container.Length > 0 && file.StartsWith(container + "/", StringComparison.Ordinal) ? file[(container.Length + 1)..] : file;
    }

    /// <summary>FNV-1a: the same in every process.</summary>
    static uint StableHash(string text)
    {
        uint hash = 2166136261;
        foreach (char c in text)
            hash = (hash ^ c) * 16777619;
        return hash;
    }
}
