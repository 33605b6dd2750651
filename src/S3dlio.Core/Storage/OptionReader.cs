using System.Globalization;
using System.Text;
using System.Text.Json;
using S3dlio.IO;

namespace S3dlio.Storage;

/// <summary>One name and value of an options object, with the errors that tell the user which one is wrong.</summary>
public readonly record struct NamedOption(string Name, JsonElement Value, string Uri)
{
    public bool AsBool() => Value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong("true or false"),
    };

    public string AsText()
    {
        try
        {
            return StrictJson.Text(Value);
        }
        catch (StrictJsonException error)
        {
            throw error.Problem == JsonProblem.NotText ? Wrong("a string") : NotUnicode();
        }
    }

    /// <summary>
    /// A key, which may hold what <see cref="PathText"/> makes of bytes that are not UTF-8: JSON has it as the escape of a lone surrogate.
    /// </summary>
    public string AsKey() =>
        Value.ValueKind == JsonValueKind.String ? Unescape(Value.GetRawText().AsSpan()[1..^1]) : throw Wrong("a string");

    static string Unescape(ReadOnlySpan<char> json)
    {
        var text = new StringBuilder(json.Length);
        for (int at; (at = json.IndexOf('\\')) >= 0;)
        {
            text.Append(json[..at]);
            bool isCode = json[at + 1] == 'u';
            text.Append(json[at + 1] switch
            {
                'u' => (char)ushort.Parse(json.Slice(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture),
                'b' => '\b',
                'f' => '\f',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                var plain => plain,
            });
            json = json[(at + (isCode ? 6 : 2))..];
        }
        return text.Append(json).ToString();
    }

    public long AsInteger(long least, long most) =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetInt64(out long number) && number >= least && number <= most
            ? number
            : throw Wrong($"a whole number from {least} to {most}");

    /// <summary>A number of bytes, or text such as <c>200GiB</c> or <c>1.5 TB</c>.</summary>
    public long AsSize()
    {
        const string expected = "a number of bytes, or a text such as \"200GiB\" or \"500MB\"";
        if (Value.ValueKind == JsonValueKind.Number)
            return Value.TryGetInt64(out long number) && number >= 0 ? number : throw Wrong(expected);
        if (Value.ValueKind != JsonValueKind.String)
            throw Wrong(expected);
        string text = AsText().Trim();
        int digits = text.Length;
        while (digits > 0 && !char.IsAsciiDigit(text[digits - 1]))
            digits--;
        double unit = text[digits..].Trim().ToUpperInvariant() switch
        {
            "" or "B" => 1,
            "KB" => 1e3,
            "MB" => 1e6,
            "GB" => 1e9,
            "TB" => 1e12,
            "KIB" => 1L << 10,
            "MIB" => 1L << 20,
            "GIB" => 1L << 30,
            "TIB" => 1L << 40,
            _ => double.NaN,
        };
        return double.TryParse(text[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double value)
            && value * unit < long.MaxValue
            ? (long)(value * unit)
            : throw Wrong(expected);
    }

    /// <summary>A finite number of single precision.</summary>
    public float AsFloat() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetSingle(out float number) && float.IsFinite(number)
            ? number
            : throw Wrong("a number");

    /// <summary>A time in seconds, whole or not; 0 means none.</summary>
    public TimeSpan AsSeconds() =>
        Value.ValueKind == JsonValueKind.Number && Value.TryGetDouble(out double seconds) && seconds is >= 0 and <= 1_000_000
            ? TimeSpan.FromSeconds(seconds)
            : throw Wrong("a number of seconds from 0 to 1000000");

    /// <summary>One of a few words.</summary>
    public string AsChoice(params ReadOnlySpan<string> choices)
    {
        string text = AsText();
        foreach (string choice in choices)
        {
            if (choice == text)
                return text;
        }
        throw Wrong($"one of {string.Join(", ", choices)}");
    }

    public IReadOnlyDictionary<string, string> AsTextMap()
    {
        try
        {
            return StrictJson.TextMap(Value);
        }
        catch (StrictJsonException error)
        {
            throw error.Problem switch
            {
                JsonProblem.NotObject => Wrong("an object of strings"),
                JsonProblem.NotText => Fault(
                    $"option '{Name}': the value of '{error.Name}' must be a string, found {error.Value.ValueKind}"),
                JsonProblem.DuplicateName => Fault($"option '{Name}': '{error.Name}' is given twice"),
                _ => NotUnicode(),
            };
        }
    }

    StoreException NotUnicode() => Fault($"option '{Name}' is not valid Unicode: it holds half of a surrogate pair");

    StoreException Fault(string detail) => new(ErrorKind.InvalidArgument, Uri, detail);

    public StoreException Wrong(string expected) =>
        new(ErrorKind.InvalidArgument, Uri, $"option '{Name}' must be {expected}, found {Shown()}");

    public StoreException Unknown(IReadOnlyCollection<string> known) =>
        new(ErrorKind.InvalidArgument, Uri, NearestName.Refuse("option", Name, known));

    /// <summary>The value as a message may show it: long or possibly secret text is not repeated.</summary>
    string Shown() => Value.ValueKind is JsonValueKind.String or JsonValueKind.Object or JsonValueKind.Array
        ? $"a JSON {Value.ValueKind.ToString().ToLowerInvariant()}"
        : Value.GetRawText();
}

/// <summary>Reads the JSON objects that carry options across the C ABI.</summary>
public static class OptionReader
{
    static readonly JsonDocumentOptions Limits = new() { MaxDepth = 16 };

    /// <exception cref="StoreException">InvalidArgument: not JSON, not an object, or a name twice.</exception>
    public static IReadOnlyList<NamedOption> Read(string json, string uri)
    {
        if (json.Length == 0)
            return [];
        JsonElement root;
        try
        {
            using var document = JsonDocument.Parse(json, Limits);
            root = document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw StoreException.InvalidArgument(uri,
                $"the options are not JSON: line {error.LineNumber + 1}, byte {error.BytePositionInLine}", cause: error);
        }
        return Read(root, uri);
    }

    /// <summary>The same for an object within other JSON.</summary>
    public static IReadOnlyList<NamedOption> Read(JsonElement root, string uri)
    {
        try
        {
            return [.. StrictJson.Members(root).Where(static member => member.Value.ValueKind != JsonValueKind.Null).Select(
                    member => new NamedOption(member.Name, member.Value, uri))];
        }
        catch (StrictJsonException error)
        {
            throw new StoreException(ErrorKind.InvalidArgument, uri, error.Problem switch
            {
                JsonProblem.NotObject => $"the options must be a JSON object, found {root.ValueKind}",
                JsonProblem.DuplicateName => $"option '{error.Name}' is given twice",
                _ => "the name of an option is not valid Unicode: it holds half of a surrogate pair",
            });
        }
    }
}
