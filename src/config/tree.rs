//! Values that remember where they were written, and decoding them into the configuration's types.
//!
//! Files, `conf.d` and variables are merged as trees, so that a mistake found while decoding the merged whole can still
//! be shown in the line of the file that it came from.

use serde::de::value::StrDeserializer;
use serde::de::{self, IntoDeserializer, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The key by which the kinds of a target or channel are told apart.
pub(super) const KIND: &str = "kind";

/// Where something was written: bytes `span` of text number `text` of the report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub text: usize,
    pub span: Range<usize>,
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub value: Value,
    pub place: Place,
}

/// A key's place, and its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub key: Place,
    pub node: Node,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Text(String),
    Integer(i128),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
    /// An environment variable's text: read as whatever the key wants. Lists are separated by commas.
    Variable(String),
    /// A faulty list element, already reported.
    Gone,
}

impl Node {
    /// The tree of a parsed TOML table.
    pub fn from_toml(table: &DeTable<'_>, place: Place) -> Self {
        let text = place.text;
        let entries = table.iter().map(|(key, value)| {
            let entry = Entry { key: Place { text, span: key.span() }, node: Self::from_value(value, text) };
            (key.get_ref().to_string(), entry)
        });
        Self { value: Value::Table(entries.collect()), place }
    }

    fn from_value(spanned: &Spanned<DeValue<'_>>, text: usize) -> Self {
        let place = Place { text, span: spanned.span() };
        let value = match spanned.get_ref() {
            DeValue::Table(table) => return Self::from_toml(table, place),
            DeValue::Array(items) => Value::List(items.iter().map(|item| Self::from_value(item, text)).collect()),
            DeValue::String(s) => Value::Text(s.to_string()),
            // What no integer type of ours holds is out of range for all of them.
            DeValue::Integer(i) => Value::Integer(i128::from_str_radix(i.as_str(), i.radix()).unwrap_or(i128::MAX)),
            DeValue::Float(f) => Value::Float(f.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(b) => Value::Boolean(*b),
            DeValue::Datetime(d) => Value::Date(d.to_string()),
        };
        Self { value, place }
    }

    /// Lays `over` on top: tables merge key by key, lists of tables add up, anything else is replaced.
    pub fn merge(&mut self, over: Node) {
        match (&mut self.value, over.value) {
            (Value::Table(mine), Value::Table(theirs)) => {
                for (name, entry) in theirs {
                    match mine.get_mut(&name) {
                        Some(own) => {
                            own.key = entry.key;
                            own.node.merge(entry.node);
                        }
                        None => {
                            mine.insert(name, entry);
                        }
                    }
                }
            }
            (Value::List(mine), Value::List(theirs)) if all_tables(mine) && all_tables(&theirs) => mine.extend(theirs),
            (_, value) => *self = Node { value, place: over.place },
        }
    }

    /// Sets the value at `path` (key by key), making tables on the way. `Err` where a list or a plain value is in the way.
    pub fn set(&mut self, path: &[&str], over: Node) -> Result<(), ()> {
        let Some((first, rest)) = path.split_first() else {
            *self = over;
            return Ok(());
        };
        let Value::Table(entries) = &mut self.value else { return Err(()) };
        // A variable's name cannot hold `-`: `_` stands for it where only that key exists.
        let dashed = || entries.keys().find(|k| k.replace('-', "_") == **first).cloned();
        let name = if entries.contains_key(*first) { None } else { dashed() }.unwrap_or_else(|| (*first).to_owned());
        let place = over.place.clone();
        let fresh = || Entry { key: place.clone(), node: Node { value: Value::Table(BTreeMap::new()), place } };
        entries.entry(name).or_insert_with(fresh).node.set(rest, over)
    }

    /// The value at `path`, as far as it exists.
    pub fn at(&self, path: &[Part]) -> Option<&Node> {
        path.iter().try_fold(self, |node, part| match (part, &node.value) {
            (Part::Key(key), Value::Table(entries)) => entries.get(key).map(|e| &e.node),
            (Part::Index(i), Value::List(items)) => items.get(*i),
            _ => None,
        })
    }

    /// Where `path` was written: the key if it has one, else the value, else the nearest thing around it.
    pub fn place_of(&self, path: &[Part]) -> &Place {
        let Some((last, around)) = path.split_last() else { return &self.place };
        match (last, self.at(around).map(|n| &n.value)) {
            (Part::Key(key), Some(Value::Table(entries))) if entries.contains_key(key) => &entries[key].key,
            (Part::Index(i), Some(Value::List(items))) if *i < items.len() => &items[*i].place,
            (_, Some(_)) => self.at(around).map_or(&self.place, |_| self.place_of(around)),
            (_, None) => self.place_of(around),
        }
    }

    /// Takes a reported mistake out, so that decoding can go on to the next one.
    pub fn strike(&mut self, path: &[Part]) {
        let Some((first, rest)) = path.split_first() else { return };
        match (first, &mut self.value) {
            (Part::Key(key), Value::Table(entries)) if rest.is_empty() => {
                entries.remove(key);
            }
            (Part::Key(key), Value::Table(entries)) => {
                if let Some(entry) = entries.get_mut(key) {
                    entry.node.strike(rest);
                }
            }
            (Part::Index(i), Value::List(items)) => match items.get_mut(*i) {
                Some(item) if rest.is_empty() => item.value = Value::Gone,
                Some(item) => item.strike(rest),
                None => {}
            },
            _ => {}
        }
    }
}

fn all_tables(items: &[Node]) -> bool {
    items.iter().all(|n| matches!(n.value, Value::Table(_)))
}

/// One part of a path into the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Key(String),
    Index(usize),
}

/// What was wrong, and where in the tree.
#[derive(Debug)]
pub(super) struct Mismatch {
    /// From the root. Collected while the error travels outwards.
    pub path: Vec<Part>,
    pub what: What,
}

/// What was wrong.
#[derive(Debug)]
pub(super) enum What {
    UnknownKey { key: String, known: &'static [&'static str] },
    MissingKey { key: &'static str },
    UnknownWord { word: String, known: &'static [&'static str] },
    WrongType { found: String, expected: String },
    Other(String),
}

impl Mismatch {
    fn new(what: What) -> Self {
        Self { path: Vec::new(), what }
    }
    fn inside(mut self, part: Part) -> Self {
        self.path.insert(0, part);
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:?}", self.what, self.path)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(What::Other(message.to_string()))
    }
    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        match found {
            // One word where the word's details were wanted: `mail = "smtp"` for `[channel.mail]`.
            Unexpected::UnitVariant => {
                Self::new(What::WrongType { found: "a single word".into(), expected: format!("a table with `{KIND}`") })
            }
            _ => Self::new(What::WrongType { found: found.to_string(), expected: expected.to_string() }),
        }
    }
    fn invalid_value(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::invalid_type(found, expected)
    }
    fn unknown_field(key: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownKey { key: key.into(), known })
    }
    fn unknown_variant(word: &str, known: &'static [&'static str]) -> Self {
        Self::new(What::UnknownWord { word: word.into(), known })
    }
    fn missing_field(key: &'static str) -> Self {
        Self::new(What::MissingKey { key })
    }
}

impl<'de> IntoDeserializer<'de, Mismatch> for &'de Node {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

/// Numbers and booleans: a variable's text is read as what is wanted, a file's value as it is.
macro_rules! parsed {
    ($($method:ident $type:ty => $visit:ident),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            match &self.value {
                Value::Variable(text) => match text.trim().parse::<$type>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(de::Error::invalid_type(Unexpected::Str(text), &visitor)),
                },
                _ => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Text(s) | Value::Variable(s) => visitor.visit_str(s),
            Value::Date(s) => Err(de::Error::invalid_type(Unexpected::Other(&format!("date {s}")), &visitor)),
            Value::Integer(i) => match (i64::try_from(*i), u64::try_from(*i)) {
                (Ok(small), _) => visitor.visit_i64(small),
                (_, Ok(large)) => visitor.visit_u64(large),
                _ => Err(de::Error::invalid_value(Unexpected::Other("a number beyond all measure"), &visitor)),
            },
            Value::Float(f) => visitor.visit_f64(*f),
            Value::Boolean(b) => visitor.visit_bool(*b),
            Value::List(items) => visitor.visit_seq(Items { items, next: 0 }),
            Value::Table(entries) => visitor.visit_map(Entries::new(entries, None)),
            Value::Gone => visitor.visit_unit(),
        }
    }

    parsed! {
        deserialize_bool bool => visit_bool,
        deserialize_i8 i64 => visit_i64,
        deserialize_i16 i64 => visit_i64,
        deserialize_i32 i64 => visit_i64,
        deserialize_i64 i64 => visit_i64,
        deserialize_u8 u64 => visit_u64,
        deserialize_u16 u64 => visit_u64,
        deserialize_u32 u64 => visit_u64,
        deserialize_u64 u64 => visit_u64,
        deserialize_f32 f64 => visit_f64,
        deserialize_f64 f64 => visit_f64,
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.value {
            Value::Variable(text) => {
                let words = text.split(',').map(str::trim).filter(|w| !w.is_empty());
                visitor.visit_seq(de::value::SeqDeserializer::new(words))
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    /// A word is a variant without content; a table is the variant that its `kind` names, with the other keys as content.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let entries = match &self.value {
            Value::Text(word) | Value::Variable(word) => {
                return visitor.visit_enum(StrDeserializer::new(word));
            }
            Value::Table(entries) => entries,
            _ => return self.deserialize_any(visitor),
        };
        match entries.get(KIND).map(|e| &e.node.value) {
            None => Err(Mismatch::new(What::MissingKey { key: KIND })),
            Some(Value::Text(kind) | Value::Variable(kind)) if variants.contains(&kind.as_str()) => {
                visitor.visit_enum(Kind { kind, entries })
            }
            Some(Value::Text(kind) | Value::Variable(kind)) => {
                Err(Mismatch::new(What::UnknownWord { word: kind.clone(), known: variants })
                    .inside(Part::Key(KIND.into())))
            }
            Some(_) => Err(Mismatch::new(What::WrongType {
                found: "something else".into(),
                expected: format!("one of the words {}", variants.join(", ")),
            })
            .inside(Part::Key(KIND.into()))),
        }
    }

    serde::forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

struct Entries<'de> {
    iter: std::collections::btree_map::Iter<'de, String, Entry>,
    skip: Option<&'static str>,
    pending: Option<(&'de String, &'de Node)>,
}

impl<'de> Entries<'de> {
    fn new(entries: &'de BTreeMap<String, Entry>, skip: Option<&'static str>) -> Self {
        Self { iter: entries.iter(), skip, pending: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = Mismatch;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.pending = self.iter.by_ref().find(|(k, _)| Some(k.as_str()) != self.skip).map(|(k, e)| (k, &e.node));
        self.pending.map(|(key, _)| seed.deserialize(StrDeserializer::new(key))).transpose()
    }

    fn next_value_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Mismatch> {
        let (key, node) =
            self.pending.take().ok_or_else(|| de::Error::custom("a value was asked for before its key"))?;
        seed.deserialize(node).map_err(|e| e.inside(Part::Key(key.clone())))
    }
}

struct Items<'de> {
    items: &'de [Node],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'de> {
    type Error = Mismatch;

    fn next_element_seed<S: de::DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Mismatch> {
        while let Some(node) = self.items.get(self.next) {
            let index = self.next;
            self.next += 1;
            if !matches!(node.value, Value::Gone) {
                return seed.deserialize(node).map(Some).map_err(|e| e.inside(Part::Index(index)));
            }
        }
        Ok(None)
    }
}

/// A table whose `kind` names the variant.
struct Kind<'de> {
    kind: &'de str,
    entries: &'de BTreeMap<String, Entry>,
}

impl<'de> de::EnumAccess<'de> for Kind<'de> {
    type Error = Mismatch;
    type Variant = Self;
    fn variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Mismatch> {
        Ok((seed.deserialize(StrDeserializer::<Mismatch>::new(self.kind))?, self))
    }
}

impl<'de> de::VariantAccess<'de> for Kind<'de> {
    type Error = Mismatch;
    fn unit_variant(self) -> Result<(), Mismatch> {
        Err(Mismatch::new(What::WrongType { found: "a table".into(), expected: "a single word".into() }))
    }
    fn newtype_variant_seed<S: de::DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Mismatch> {
        seed.deserialize(de::value::MapAccessDeserializer::new(Entries::new(self.entries, Some(KIND))))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(Entries::new(self.entries, Some(KIND)))
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_map(Entries::new(self.entries, Some(KIND)))
    }
}
