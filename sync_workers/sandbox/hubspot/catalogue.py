"""The objects and properties that every HubSpot account has from the start.

Only data: object types with their ids, the properties a distributor uses, and which of them
are computed. Custom objects and properties are added at run time by their own modules.
Source: developers.hubspot.com, "Object APIs", "Understanding the CRM" (object type ids) and
the property lists of each object's guide.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ObjectType:
    """One kind of CRM object; ``changed`` names its last-modified property."""

    type_id: str
    name: str
    singular: str
    defaults: tuple[str, ...]
    changed: str = "hs_lastmodifieddate"
    created: str = "createdate"
    pipeline: str | None = None
    stage: str | None = None
    searchable: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    fully_qualified: str = ""
    schema: dict[str, object] = field(default_factory=dict)

    @property
    def spaced(self) -> str:
        """The key under which ``?associations=`` answers: 'line items' with a space."""
        return self.fully_qualified or self.name.replace("_", " ")

    @property
    def spellings(self) -> tuple[str, ...]:
        """What the API accepts in a path."""
        if self.fully_qualified:
            return (self.type_id, self.fully_qualified, f"p_{self.name}")
        return (self.type_id, self.name, self.singular)


STANDARD = ("hs_createdate", "hs_lastmodifieddate", "hs_object_id")

TYPES = (
    ObjectType(
        "0-1",
        "contacts",
        "contact",
        ("createdate", "email", "firstname", "hs_object_id", "lastmodifieddate", "lastname"),
        changed="lastmodifieddate",
        searchable=("firstname", "lastname", "email", "phone", "company"),
    ),
    ObjectType(
        "0-2",
        "companies",
        "company",
        ("createdate", "domain", "hs_lastmodifieddate", "hs_object_id", "name"),
        searchable=("name", "domain", "website", "phone"),
    ),
    ObjectType(
        "0-3",
        "deals",
        "deal",
        (
            "amount",
            "closedate",
            "createdate",
            "dealname",
            "dealstage",
            "hs_lastmodifieddate",
            "hs_object_id",
            "pipeline",
        ),
        pipeline="pipeline",
        stage="dealstage",
        searchable=("dealname", "description"),
    ),
    ObjectType(
        "0-7",
        "products",
        "product",
        ("createdate", "description", "hs_lastmodifieddate", "hs_object_id", "name", "price"),
        searchable=("name", "description", "hs_sku"),
    ),
    ObjectType(
        "0-8",
        "line_items",
        "line_item",
        ("amount", "createdate", "hs_lastmodifieddate", "hs_object_id", "hs_product_id", "quantity"),
        searchable=("name", "hs_sku"),
        aliases=("line item", "line items"),
    ),
    ObjectType("0-46", "notes", "note", STANDARD, created="hs_createdate", searchable=("hs_note_body",)),
    ObjectType(
        "0-53",
        "invoices",
        "invoice",
        STANDARD,
        created="hs_createdate",
        searchable=("hs_number",),
        required=("hs_currency",),
    ),
    ObjectType(
        "0-123",
        "orders",
        "order",
        STANDARD,
        created="hs_createdate",
        pipeline="hs_pipeline",
        stage="hs_pipeline_stage",
        searchable=("hs_order_name", "hs_external_order_id"),
    ),
)

# One line per type; "name:type" with string as the default, "=" lists the options of an enumeration.
CURRENCIES = "AUD|CAD|CHF|DKK|EUR|GBP|JPY|KWD|NOK|NZD|PLN|SEK|SGD|USD|ZAR"
INDUSTRIES = (
    "ACCOUNTING|AUTOMOTIVE|AVIATION_AEROSPACE|BUILDING_MATERIALS|CHEMICALS|COMPUTER_SOFTWARE|CONSTRUCTION|"
    "ELECTRICAL_ELECTRONIC_MANUFACTURING|FARMING|FOOD_PRODUCTION|INDUSTRIAL_AUTOMATION|LOGISTICS_AND_SUPPLY_CHAIN|"
    "MACHINERY|MECHANICAL_OR_INDUSTRIAL_ENGINEERING|MINING_METALS|OIL_ENERGY|RETAIL|TRANSPORTATION_TRUCKING_RAILROAD|"
    "WHOLESALE"
)
STAGES_OF_LIFE = (
    "subscriber|lead|marketingqualifiedlead|salesqualifiedlead|opportunity|customer|evangelist|other"
)
ADDRESS = "address city state zip country phone"

PROPERTIES: dict[str, str] = {
    "0-1": f"email firstname lastname salutation mobilephone jobtitle company website {ADDRESS} "
    f"lifecyclestage:enumeration={STAGES_OF_LIFE} hubspot_owner_id:owner notes_last_updated:datetime",
    "0-2": f"name domain website address2 {ADDRESS} description industry:enumeration={INDUSTRIES} "
    f"lifecyclestage:enumeration={STAGES_OF_LIFE} numberofemployees:number annualrevenue:number "
    "hubspot_owner_id:owner type:enumeration=PROSPECT|PARTNER|RESELLER|VENDOR|OTHER",
    "0-3": "dealname amount:number dealstage:stage pipeline:pipeline closedate:datetime description:textarea "
    f"deal_currency_code:enumeration={CURRENCIES} dealtype:enumeration=newbusiness|existingbusiness "
    "hubspot_owner_id:owner hs_priority:enumeration=low|medium|high hs_next_step",
    "0-7": "name description:textarea price:number hs_sku hs_cost_of_goods_sold:number hs_url "
    "hs_product_type:enumeration=inventory|non_inventory|service hs_images",
    "0-8": "name description:textarea hs_sku quantity:number price:number discount:number "
    "hs_discount_percentage:number tax:number hs_product_id hs_url hs_position_on_quote:number "
    f"hs_line_item_currency_code:enumeration={CURRENCIES} currency hs_cost_of_goods_sold:number",
    "0-46": "hs_note_body:textarea hs_timestamp:datetime hubspot_owner_id:owner hs_attachment_ids",
    "0-53": f"hs_number hs_title hs_currency:enumeration={CURRENCIES} hs_invoice_date:datetime "
    "hs_due_date:datetime "
    "hs_amount_billed:number hs_amount_paid:number hs_balance_due:number hs_invoice_link "
    "hs_external_invoice_id "
    "hs_purchase_order_number hs_invoice_status:enumeration=draft|open|paid|voided hubspot_owner_id:owner",
    "0-123": "hs_order_name hs_source_store hs_fulfillment_status hs_external_order_id "
    "hs_external_order_status "
    f"hs_currency_code:enumeration={CURRENCIES} hs_shipping_address_street hs_shipping_address_city "
    "hs_shipping_address_state hs_shipping_address_postal_code hs_shipping_address_country "
    "hs_shipping_address_name "
    "hs_billing_address_street hs_billing_address_city hs_billing_address_postal_code "
    "hs_billing_address_country "
    "hs_shipping_tracking_number hs_shipping_status_url hs_pipeline:pipeline hs_pipeline_stage:stage "
    "hs_total_price:number hs_subtotal_price:number hs_tax:number hs_shipping_cost:number "
    "hs_order_note:textarea "
    "hs_processed_date:datetime hubspot_owner_id:owner",
}

# What HubSpot computes: readable, never writable.
SYSTEM = (
    "createdate:datetime hs_createdate:datetime hs_lastmodifieddate:datetime hs_object_id:number "
    "hs_object_source hs_object_source_id hs_merged_object_ids:enumeration"
)
CALCULATED: dict[str, str] = {
    "0-1": "lastmodifieddate:datetime",
    "0-3": "hs_is_closed:bool hs_is_closed_won:bool hs_deal_stage_probability:number",
    "0-8": "amount:number hs_pre_discount_amount:number hs_total_discount:number",
}

# Not subscribable, according to the webhooks guide.
UNSUBSCRIBABLE = frozenset({"hs_lastmodifieddate", "lastmodifieddate", "num_unique_conversion_events"})

DEAL_PIPELINE = (
    ("appointmentscheduled", "Appointment Scheduled", "0.2"),
    ("qualifiedtobuy", "Qualified To Buy", "0.4"),
    ("presentationscheduled", "Presentation Scheduled", "0.6"),
    ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
    ("contractsent", "Contract Sent", "0.9"),
    ("closedwon", "Closed Won", "1.0"),
    ("closedlost", "Closed Lost", "0.0"),
)
ORDER_PIPELINE = (
    ("open", "Open", "OPEN"),
    ("processed", "Processed", "OPEN"),
    ("shipped", "Shipped", "OPEN"),
    ("delivered", "Delivered", "CLOSED"),
    ("cancelled", "Cancelled", "CLOSED"),
)
