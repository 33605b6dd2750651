using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Unicode;
using S3dlio.Storage;
using S3dlio.Tensors;

namespace S3dlio.Checkpoint;

/// <summary>The members of a JSON object from elsewhere, each once, with errors that say what is wrong with which.</summary>
public sealed class JsonFields
{
    static readonly JsonDocumentOptions Limits = new() { MaxDepth = 64 };

    readonly Dictionary<string, JsonElement> _members = new(StringComparer.Ordinal);
    readonly string _what, _uri;
    readonly ErrorKind _kind;

    public JsonFields(JsonElement element, string what, ErrorKind kind, string uri)
    {
        (_what, _kind, _uri) = (what, kind, uri);
        if (element.ValueKind != JsonValueKind.Object)
            throw Fault($"expected {what} as a JSON object, found {Describe(element)}");
        foreach (var member in element.EnumerateObject())
        {
            string name = NameOf(member);
            if (!_members.TryAdd(name, member.Value))
                throw Fault($"expected each field of {what} once, found {FormatFault.Quote(name)} again");
        }
    }

    /// <exception cref="StoreException">Of the kind given: no JSON, or nested too deep.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> text, string what, ErrorKind kind, string uri)
    {
        if (!Utf8.IsValid(text.Span))
            throw new StoreException(kind, uri, $"expected {what} as JSON in UTF-8, found bytes that are none");
        try
        {
            using var document = JsonDocument.Parse(text, Limits);
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new StoreException(kind, uri, $"expected {what} as JSON, found a fault in line {error.LineNumber + 1}, byte {error.BytePositionInLine}", cause: error);
        }
    }

    /// <summary>Writes somebody's JSON as it stands: half a surrogate pair may be in it, which no text that is decoded and encoded again keeps.</summary>
    public static void Copy(Utf8JsonWriter json, JsonElement element) =>
        json.WriteRawValue(JsonMarshal.GetRawUtf8Value(element), skipInputValidation: true);

    /// <summary>For JSON of a caller's: a typing mistake must not pass as a default.</summary>
    public JsonFields RefuseOthers(params string[] known)
    {
        foreach (string name in _members.Keys)
        {
            if (!known.Contains(name))
                throw Fault(NearestName.Refuse("field", name, known));
        }
        return this;
    }

    public bool Has(string name) => Find(name) is not null;

    /// <summary>A member; null where there is none, and where it is null.</summary>
    public JsonElement? Find(string name) => _members.TryGetValue(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string? FindText(string name)
    {
        if (Find(name) is not { } value)
            return null;
        if (value.ValueKind != JsonValueKind.String)
            throw Wrong(name, "a string", value);
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Fault($"expected valid Unicode in field '{name}' of {_what}, found something else");
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

    string NameOf(JsonProperty member)
    {
        try
        {
            return member.Name;
        }
        catch (InvalidOperationException)
        {
            throw Fault($"expected valid Unicode in the names of {_what}, found something else");
        }
    }

    static string Describe(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => FormatFault.Quote(value.GetRawText()),
        JsonValueKind.String => FormatFault.Quote(value.GetRawText()),
        var kind => kind.ToString().ToLowerInvariant(),
    };
}
