using System.Text.Json;
using System.Text.Unicode;

namespace S3dlio.Storage;

/// <summary>What <see cref="StrictJson"/> refuses.</summary>
enum JsonProblem
{
    NotUtf8,
    Syntax,
    NotObject,
    DuplicateName,
    /// <summary>A name, or a text, that has half of a surrogate pair.</summary>
    NotUnicode,
    NotText,
}

/// <summary>JSON that was refused. The caller, who knows what the JSON is, words the message.</summary>
sealed class StrictJsonException(JsonProblem problem, string name = "", JsonElement value = default, JsonException? cause = null)
    : Exception(problem.ToString(), cause)
{
    public JsonProblem Problem { get; } = problem;

    /// <summary>The member, for <see cref="JsonProblem.DuplicateName"/> and for a member's value.</summary>
    public string Name { get; } = name;

    /// <summary>The value that was found.</summary>
    public JsonElement Value { get; } = value;

    /// <summary>Where the syntax is wrong; lines count from 1, bytes from 0.</summary>
    public (long Line, long Byte) Position { get; } = ((cause?.LineNumber ?? 0) + 1, cause?.BytePositionInLine ?? 0);
}

/// <summary>
/// The one reader of JSON that others wrote, for options, manifests and metadata: UTF-8 without faults, a limited depth, each name once,
/// text without halves of surrogate pairs. System.Text.Json by itself takes the last of two equal names.
/// </summary>
static class StrictJson
{
    /// <exception cref="StrictJsonException">NotUtf8, Syntax.</exception>
    public static JsonElement Parse(ReadOnlyMemory<byte> text, int maxDepth)
    {
        if (!Utf8.IsValid(text.Span))
            throw new StrictJsonException(JsonProblem.NotUtf8);
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { MaxDepth = maxDepth });
            return document.RootElement.Clone();
        }
        catch (JsonException error)
        {
            throw new StrictJsonException(JsonProblem.Syntax, cause: error);
        }
    }

    /// <summary>The members of an object, in their order.</summary>
    /// <exception cref="StrictJsonException">NotObject, DuplicateName, NotUnicode.</exception>
    public static List<(string Name, JsonElement Value)> Members(JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new StrictJsonException(JsonProblem.NotObject, value: element);
        var members = new List<(string, JsonElement)>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var property in element.EnumerateObject())
        {
            string name = NameOf(property);
            if (!names.Add(name))
                throw new StrictJsonException(JsonProblem.DuplicateName, name, property.Value);
            members.Add((name, property.Value));
        }
        return members;
    }

    /// <summary>An object whose values are text.</summary>
    /// <exception cref="StrictJsonException">NotObject, DuplicateName, NotUnicode, NotText.</exception>
    public static Dictionary<string, string> TextMap(JsonElement element)
    {
        var map = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in Members(element))
            map.Add(name, Text(value, name));
        return map;
    }

    /// <param name="value">The value.</param>
    /// <param name="name">Its member, for the exception.</param>
    /// <exception cref="StrictJsonException">NotText, NotUnicode.</exception>
    public static string Text(JsonElement value, string name = "")
    {
        if (value.ValueKind != JsonValueKind.String)
            throw new StrictJsonException(JsonProblem.NotText, name, value);
        try
        {
            return value.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw new StrictJsonException(JsonProblem.NotUnicode, name, value);
        }
    }

    static string NameOf(JsonProperty property)
    {
        try
        {
            return property.Name;
        }
        catch (InvalidOperationException)
        {
            throw new StrictJsonException(JsonProblem.NotUnicode);
        }
    }
}
