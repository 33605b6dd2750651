using System.Runtime.InteropServices;
using System.Text.Json;

namespace S3dlio.Storage;

/// <summary>The members of a JSON object that another program wrote, read by <see cref="StrictJson"/>; errors name the member.</summary>
public sealed class JsonFields
{
    const int MaxDepth = 64;

    readonly Dictionary<string, JsonElement> _members = new(StringComparer.Ordinal);
    readonly string _what, _uri;
    readonly ErrorKind _kind;

    public JsonFields(JsonElement element, string what, ErrorKind kind, string uri)
    {
        (_what, _kind, _uri) = (what, kind, uri);
        try
        {
            foreach (var (name, value) in StrictJson.Members(element))
                _members.Add(name, value);
        }
        catch (StrictJsonException error)
        {
            throw Fault(error.Problem switch
            {
                JsonProblem.NotObject => $"expected {what} as a JSON object, found {Describe(element)}",
                JsonProblem.DuplicateName => $"expected each field of {what} once, found {MessageText.Quote(error.Name)} again",
                _ => $"expected valid Unicode in the names of {what}, found something else",
            });
        }
    }

    /// <exception cref="StoreException">Of the kind given: no JSON, or nested too deep.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> text, string what, ErrorKind kind, string uri)
    {
        try
        {
            return StrictJson.Parse(text, MaxDepth);
        }
        catch (StrictJsonException error)
        {
            throw new StoreException(kind, uri, error.Problem == JsonProblem.NotUtf8
                ? $"expected {what} as JSON in UTF-8, found bytes that are none"
                : $"expected {what} as JSON, found a fault in line {error.Position.Line}, byte {error.Position.Byte}", cause: error);
        }
    }

    /// <summary>Copies JSON byte for byte: half of a surrogate pair would not survive decoding and encoding.</summary>
    public static void Copy(Utf8JsonWriter json, JsonElement element) =>
        json.WriteRawValue(JsonMarshal.GetRawUtf8Value(element), skipInputValidation: true);

    /// <summary>Refuses unknown names, for JSON of the caller: a typing mistake must not pass as a default.</summary>
    public JsonFields RefuseOthers(params string[] known)
    {
        foreach (string name in _members.Keys)
        {
            if (!known.Contains(name))
                throw Fault(NearestName.Refuse("field", name, known));
        }
        return this;
    }

    /// <summary>The names of all members, in their order.</summary>
    public IReadOnlyCollection<string> Names => _members.Keys;

    public bool Has(string name) => Find(name) is not null;

    /// <summary>A member; null where there is none, and where it is null.</summary>
    public JsonElement? Find(string name) =>
        _members.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string? FindText(string name)
    {
        if (Find(name) is not { } value)
            return null;
        try
        {
            return StrictJson.Text(value);
        }
        catch (StrictJsonException error)
        {
            throw error.Problem == JsonProblem.NotText
                ? Wrong(name, "a string", value)
                : Fault($"expected valid Unicode in field '{name}' of {_what}, found something else");
        }
    }

    public string Text(string name) => FindText(name) ?? throw Missing(name);

    public long? FindInteger(string name, long least, long most)
    {
        if (Find(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt64(out long number) || number < least || number > most)
            throw Wrong(name, $"a whole number from {least} to {most}", value);
        return number;
    }

    public long Integer(string name, long least, long most) => FindInteger(name, least, most) ?? throw Missing(name);

    public bool? FindBool(string name) => Find(name) switch
    {
        null => null,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(name, "true or false", value),
    };

    public JsonElement.ArrayEnumerator Array(string name, int most)
    {
        var value = Find(name) ?? throw Missing(name);
        if (value.ValueKind != JsonValueKind.Array)
            throw Wrong(name, "an array", value);
        if (value.GetArrayLength() > most)
            throw Fault($"expected at most {most} entries in field '{name}' of {_what}, found {value.GetArrayLength()}");
        return value.EnumerateArray();
    }

    public StoreException Fault(string detail) => new(_kind, _uri, detail);

    public StoreException Wrong(string name, string expected, JsonElement found) =>
        Fault($"expected {expected} in field '{name}' of {_what}, found {Describe(found)}");

    StoreException Missing(string name) => Fault($"expected field '{name}' of {_what}, found none");

    static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => MessageText.Quote(value.GetRawText()),
        JsonValueKind.String => MessageText.Quote(value.GetRawText()),
        var kind => kind.ToString().ToLowerInvariant(),
    };
}
